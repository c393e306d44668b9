//! Both versions against the original on tiny models, tiles, chunks, names.

use burn::tensor::TensorData;

use super::*;
use crate::oracle::{check, fill, uni, weights_digest};

fn tiny_21() -> VaeConfig {
    VaeConfig { encoder_base: 4, decoder_base: 4, ..VaeConfig::wan21() }
}

fn tiny_22() -> VaeConfig {
    VaeConfig { encoder_base: 4, decoder_base: 6, ..VaeConfig::wan22() }
}

fn tiny(config: VaeConfig) -> Vae {
    multiplying(config, Products::Exact)
}

fn multiplying(config: VaeConfig, products: Products) -> Vae {
    let device = Device::default();
    let filled = |(name, shape): (String, Vec<usize>)| {
        let values = fill(&name, &shape);
        NamedTensor { name, shape, values }
    };
    let layout = Vae::new(config.clone(), &device).layout();
    let tensors = layout.into_iter().map(filled).collect();
    Vae::load(config, tensors, products, &device).unwrap()
}

fn input(name: &str, dims: [usize; 5]) -> Tensor<5> {
    Tensor::from_data(TensorData::new(uni(name, &dims), dims), &Device::default())
}

/// All frames, `[1, 3, F, H, W]`.
fn decoded(vae: &Vae, latent: Tensor<5>, tiling: Option<Tiling>) -> Tensor<5> {
    let mut frames: Vec<Tensor<5>> = Vec::new();
    let go_on = &mut |_, _| ControlFlow::Continue(());
    vae.decode(latent, tiling, go_on, &mut |frame| {
        frames.push(frame.unsqueeze_dim(2));
        ControlFlow::Continue(())
    });
    Tensor::cat(frames, 2)
}

fn values(tensor: Tensor<5>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

#[track_caller]
fn assert_near(a: Tensor<5>, b: Tensor<5>, tolerance: f32) {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let largest = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest <= tolerance, "largest difference {largest}");
}

#[test]
fn the_weights_of_the_tiny_models_are_the_original_ones() {
    let facts = |config| {
        let layout = Vae::new(config, &Device::default()).layout();
        let parameters: usize =
            layout.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        (layout.len(), parameters, weights_digest(&layout))
    };
    assert_eq!(facts(tiny_21()), (194, 243_583, "9565762a73b6".into()));
    assert_eq!(facts(tiny_22()), (196, 486_082, "6eb57da0f10e".into()));
}

#[test]
fn the_presets_have_the_original_number_of_parameters() {
    let facts = |config| {
        let layout = Vae::new(config, &Device::default()).layout();
        let parameters: usize =
            layout.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        (layout.len(), parameters)
    };
    assert_eq!(facts(VaeConfig::wan21()), (194, 126_892_531));
    assert_eq!(facts(VaeConfig::wan22()), (196, 704_688_668));
}

#[test]
fn other_levels_decode_as_the_original() {
    let sizes = VaeConfig { multiples: [1, 2, 2, 3], blocks: 1, ..tiny_21() };
    let video = decoded(&tiny(sizes), input("z", [1, 16, 3, 4, 8]), None);
    check("other levels", &values(video), 0.108_013, 0.438_168, 0.297_600);
}

#[test]
fn version_21_decodes_as_the_original() {
    let video = decoded(&tiny(tiny_21()), input("z", [1, 16, 3, 4, 8]), None);
    assert_eq!(video.dims(), [1, 3, 9, 32, 64]);
    check("vae 2.1 decode", &values(video), 0.003_122, 0.457_089, 0.134_075);
}

#[test]
fn version_21_encodes_as_the_original() {
    let latent = tiny(tiny_21()).encode(input("video", [1, 3, 9, 32, 64]), None);
    assert_eq!(latent.dims(), [1, 16, 3, 4, 8]);
    check("vae 2.1 encode", &values(latent), 0.026_572, 0.443_091, 0.378_846);
}

#[test]
fn version_22_decodes_as_the_original() {
    let video = decoded(&tiny(tiny_22()), input("z", [1, 48, 3, 2, 4]), None);
    assert_eq!(video.dims(), [1, 3, 9, 32, 64]);
    check("vae 2.2 decode", &values(video), -0.079_908, 0.544_099, 0.080_234);
}

#[test]
fn version_22_encodes_as_the_original() {
    let latent = tiny(tiny_22()).encode(input("video", [1, 3, 9, 32, 64]), None);
    assert_eq!(latent.dims(), [1, 48, 3, 2, 4]);
    check("vae 2.2 encode", &values(latent), 0.056_466, 0.776_787, 0.990_559);
}

/// The bound of the issue that asks for parity; the original library's own bf16 has .9993.
const BF16_COSINE: f64 = 0.999;

#[test]
fn products_in_bf16_stay_near() {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    for (config, dims) in [(tiny_21(), [1, 16, 3, 4, 8]), (tiny_22(), [1, 48, 3, 2, 4])] {
        let runs = [Products::Exact, Products::Bf16].map(|products| {
            let vae = multiplying(config.clone(), products);
            let video = decoded(&vae, input("z", dims), None);
            let latent = vae.encode(input("video", [1, 3, 9, 32, 64]), None);
            [values(video), values(latent)]
        });
        for (exact, near) in runs[0].iter().zip(&runs[1]) {
            let cosine = dot(exact, near) / (dot(exact, exact) * dot(near, near)).sqrt();
            assert!((BF16_COSINE..1.0).contains(&cosine), "{config:?}: {cosine}");
        }
    }
}

#[test]
fn decoding_stops_when_it_is_told() {
    let mut frames = 0;
    let (vae, latent) = (tiny(tiny_21()), input("z", [1, 16, 3, 2, 6]));
    let go_on = &mut |_, _| ControlFlow::Continue(());
    vae.decode(latent.clone(), None, go_on, &mut |_| {
        frames += 1;
        if frames == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(frames, 2);

    let mut told = Vec::new();
    let piece = &mut |done, of| {
        told.push((done, of));
        if done == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let tiling = Tiling { tile_px: 24, step_px: 16 };
    vae.decode(latent, Some(tiling), piece, &mut |_| panic!("it was stopped before"));
    assert_eq!(told, (0..=4).map(|done| (done, 9)).collect::<Vec<_>>());
}

#[test]
fn later_frames_change_nothing_before_them() {
    let vae = tiny(tiny_22());
    let long = input("z", [1, 48, 3, 2, 2]);
    let short = long.clone().narrow(2, 0, 2);
    let start = decoded(&vae, long, None).narrow(2, 0, 5);
    assert_near(start, decoded(&vae, short, None), 0.0);
}

#[test]
fn a_tile_as_large_as_the_picture_changes_nothing() {
    for (config, dims) in [(tiny_21(), [1, 16, 2, 2, 3]), (tiny_22(), [1, 48, 2, 2, 3])] {
        let vae = tiny(config.clone());
        let tiling = Tiling { tile_px: 3 * config.cell_px(), step_px: config.cell_px() };
        let latent = input("z", dims);
        assert_near(decoded(&vae, latent.clone(), Some(tiling)), decoded(&vae, latent, None), 0.0);
    }
}

/// A tile before clamping, all its time at once.
fn tile_patches(vae: &Vae, latent: Tensor<5>) -> Tensor<5> {
    let device = latent.device();
    let latent = latent * vae.std(&device) + vae.mean(&device);
    let mut history = History::default();
    let frames = latent.dims()[2];
    let decode = |i| vae.networks.decode_chunk(latent.clone().narrow(2, i, 1), &mut history);
    Tensor::cat((0..frames).map(decode).collect(), 2)
}

/// `tile` with its first `overlap` lines faded in from the end of `before`, line by line.
fn faded(before: &Tensor<5>, tile: Tensor<5>, axis: usize, overlap: usize) -> Tensor<5> {
    let line = |y: usize| {
        let line = tile.clone().narrow(axis, y, 1);
        if y >= overlap {
            return line;
        }
        let weight = y as f32 / overlap as f32;
        let from = before.clone().narrow(axis, before.dims()[axis] - overlap + y, 1);
        from * (1.0 - weight) + line * weight
    };
    Tensor::cat((0..tile.dims()[axis]).map(line).collect(), axis)
}

#[test]
fn tiles_are_blended_as_in_the_original() {
    for config in [tiny_21(), tiny_22()] {
        let vae = tiny(config.clone());
        let (cell, patch) = (config.cell_px(), config.patch_px());
        let step = cell / patch;
        let latent = input("z", [1, config.channels(), 2, 3, 4]);
        let tiling = Tiling { tile_px: 2 * cell, step_px: cell };
        let found = decoded(&vae, latent.clone(), Some(tiling));
        assert_eq!(found.dims(), [1, 3, 5, 3 * cell, 4 * cell]);
        let mut tiles: BTreeMap<(usize, usize), Tensor<5>> = BTreeMap::new();
        for (row, column) in (0..3).flat_map(|row| (0..4).map(move |column| (row, column))) {
            let region = latent.clone().narrow(3, row, 2.min(3 - row));
            let region = region.narrow(4, column, 2.min(4 - column));
            let mut tile = tile_patches(&vae, region);
            if row > 0 {
                tile = faded(&tiles[&(row - 1, column)], tile, 3, step);
            }
            if column > 0 {
                tile = faded(&tiles[&(row, column - 1)], tile, 4, step);
            }
            let place = found.clone().narrow(3, row * cell, cell).narrow(4, column * cell, cell);
            let cropped = tile.clone().narrow(3, 0, step).narrow(4, 0, step);
            assert_near(place, unpatchify(cropped, patch).clamp(-1.0, 1.0), 1e-6);
            tiles.insert((row, column), tile);
        }
    }
}

#[test]
fn tiles_of_the_encoder_cover_the_picture() {
    for (config, side) in [(tiny_21(), 32), (tiny_22(), 64)] {
        let vae = tiny(config);
        let video = input("video", [1, 3, 5, side, side]);
        let tiled = vae.encode(video.clone(), Some(Tiling { tile_px: 24, step_px: 16 }));
        let plain = vae.encode(video, None);
        assert_eq!(tiled.dims(), plain.dims());
    }
}

#[test]
fn wrong_weights_are_listed_by_the_names_of_the_file() {
    let device = Device::default();
    let mut tensors: Vec<NamedTensor> = Vae::new(tiny_21(), &device)
        .layout()
        .into_iter()
        .map(|(name, shape)| NamedTensor { name, values: vec![0.0; shape.iter().product()], shape })
        .collect();
    tensors.retain(|tensor| tensor.name != "encoder.down_blocks.2.resample.1.bias");
    tensors.push(NamedTensor { name: "other".into(), shape: vec![1], values: vec![0.0] });
    let error = Vae::load(tiny_21(), tensors, Products::Exact, &device).unwrap_err();
    let WeightsError::Mismatch { missing, extra, misshapen, .. } = error else { panic!("{error}") };
    assert_eq!(missing, ["encoder.down_blocks.2.resample.1.bias"]);
    assert_eq!((extra, misshapen.len()), (vec!["other".into()], 0));
}
