//! A small module goes out and comes back.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::*;

#[derive(Module, Debug)]
struct Inner {
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
}

#[derive(Module, Debug)]
struct Outer {
    blocks: Vec<Inner>,
    gain: Param<Tensor<1>>,
}

fn inner(offset: f32, bias: bool, device: &Device) -> Inner {
    let weight = Tensor::from_floats([[offset, 1.0], [2.0, 3.0], [4.0, 5.0]], device);
    let bias = bias.then(|| Param::from_tensor(Tensor::from_floats([offset, 7.0], device)));
    Inner { weight: Param::from_tensor(weight), bias }
}

fn outer() -> Outer {
    let device = Device::default();
    let blocks = vec![inner(0.5, true, &device), inner(1.5, false, &device)];
    Outer { blocks, gain: Param::from_tensor(Tensor::from_floats([1.0, 2.0, 3.0], &device)) }
}

#[test]
fn parameters_have_dotted_names_in_field_order() {
    let names: Vec<String> = collect(&outer()).into_iter().map(|tensor| tensor.name).collect();
    assert_eq!(names, ["blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "gain"]);
    assert_eq!(layout(&outer())[0], ("blocks.0.weight".to_owned(), vec![3, 2]));
}

#[test]
fn what_is_loaded_is_collected_again() {
    let mut tensors = collect(&outer());
    for (i, tensor) in tensors.iter_mut().enumerate() {
        tensor.values.iter_mut().for_each(|v| *v = *v * 2.0 + i as f32);
    }
    let loaded = load(outer(), tensors.clone()).unwrap();
    assert_eq!(collect(&loaded), tensors);
}

#[test]
fn every_misfit_is_listed_in_one_error() {
    let mut tensors = collect(&outer());
    tensors[0].shape = vec![2, 3];
    tensors.remove(3);
    tensors.push(NamedTensor { name: "stray".into(), shape: vec![1], values: vec![0.0] });
    let error = load(outer(), tensors).expect_err("misfits");
    let text = error.to_string();
    for part in
        ["1 missing (`gain`)", "1 unknown (`stray`)", "blocks.0.weight: model [3, 2], file [2, 3]"]
    {
        assert!(text.contains(part), "{text}");
    }
}
