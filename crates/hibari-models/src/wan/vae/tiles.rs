//! Tiles of a picture that is too large to be handled at once, and how they are joined.

use std::ops::Range;

use burn::tensor::Tensor;

/// Squares of a picture that overlap; it changes values a little, and memory much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile in pixels.
    pub tile_px: usize,
    /// Distance between tiles in pixels; the overlap is blended.
    pub step_px: usize,
}

impl Tiling {
    /// Sides of tiles: the original's, then smaller ones, for less memory.
    pub const SIDES_PX: [usize; 3] = [256, 128, 64];

    /// Tiles with that side, a quarter of which overlaps, as in the original.
    pub fn of(tile_px: usize) -> Self {
        Self { tile_px, step_px: tile_px / 4 * 3 }
    }
}

/// The tiles of a picture in some unit.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) rows: Vec<Range<usize>>,
    pub(super) columns: Vec<Range<usize>>,
}

impl Grid {
    /// One tile if the picture, `[height, width]`, is no larger than a tile, else a tile at each step.
    pub(super) fn new([height, width]: [usize; 2], tile: usize, step: usize) -> Self {
        let fits = height <= tile && width <= tile;
        let step = if fits { tile } else { step };
        let spans =
            |len: usize| (0..len).step_by(step).map(|start| start..len.min(start + tile)).collect();
        Self { rows: spans(height), columns: spans(width) }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Rows and columns of each tile, row by row.
    pub(super) fn tiles(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let row = |row: &Range<usize>| {
            let row = row.clone();
            self.columns.iter().map(move |column| (row.clone(), column.clone()))
        };
        self.rows.iter().flat_map(row)
    }
}

/// The part of `x`, `[B, C, T, H, W]`, in a tile.
pub(super) fn cut(x: Tensor<5>, (rows, columns): (Range<usize>, Range<usize>)) -> Tensor<5> {
    x.narrow(3, rows.start, rows.len()).narrow(4, columns.start, columns.len())
}

/// Joins the tiles of a grid of `n_columns` columns, given row by row, that lie `step` apart and overlap by `overlap`.
///
/// Each is blended with the blended tile above, then with the one to its left, and gives its first `step` rows and columns.
pub(super) fn join(
    tiles: Vec<Tensor<5>>,
    n_columns: usize,
    step: usize,
    overlap: usize,
) -> Tensor<5> {
    if let [tile] = tiles.as_slice() {
        return tile.clone();
    }
    let mut blended: Vec<Tensor<5>> = Vec::with_capacity(tiles.len());
    for (i, mut tile) in tiles.into_iter().enumerate() {
        if i >= n_columns {
            tile = blend(&blended[i - n_columns], tile, 3, overlap);
        }
        if i % n_columns > 0 {
            tile = blend(&blended[i - 1], tile, 4, overlap);
        }
        blended.push(tile);
    }
    let cropped = |tile: &Tensor<5>| {
        let [.., h, w] = tile.dims();
        cut(tile.clone(), (0..step.min(h), 0..step.min(w)))
    };
    let row = |row: &[Tensor<5>]| Tensor::cat(row.iter().map(cropped).collect(), 4);
    Tensor::cat(blended.chunks(n_columns).map(row).collect(), 3)
}

/// `tile` with its first `overlap` positions along `axis` fading in from the last ones of `before`.
///
/// `b[y] = a[y - overlap] * (1 - y/overlap) + b[y] * y/overlap`
fn blend(before: &Tensor<5>, tile: Tensor<5>, axis: usize, overlap: usize) -> Tensor<5> {
    let (len_before, len) = (before.dims()[axis], tile.dims()[axis]);
    let overlap = overlap.min(len_before).min(len);
    if overlap == 0 {
        return tile;
    }
    let mut dims = [1; 5];
    dims[axis] = overlap;
    let ramp: Vec<f32> = (0..overlap).map(|y| y as f32 / overlap as f32).collect();
    let ramp = Tensor::<1>::from_floats(ramp.as_slice(), &tile.device()).reshape(dims);
    let from = before.clone().narrow(axis, len_before - overlap, overlap);
    let to = tile.clone().narrow(axis, 0, overlap);
    let mixed = from * (ramp.clone().neg() + 1.0) + to * ramp;
    if overlap == len {
        return mixed;
    }
    Tensor::cat(vec![mixed, tile.narrow(axis, overlap, len - overlap)], axis)
}
