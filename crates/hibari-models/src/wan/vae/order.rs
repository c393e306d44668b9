//! The order of axes in files, and in our parameters: there `[Cout, Cin, kt, kh, kw]`, here channels last.

use hibari_weights::NamedTensor;

/// Which axis of the file each of ours is, by their number; the file's first is our last.
fn axes(n_axes: usize) -> &'static [usize] {
    match n_axes {
        4 => &[2, 3, 1, 0],
        5 => &[3, 4, 2, 1, 0],
        n => &[0, 1, 2, 3][..n.min(4)],
    }
}

/// The shape in the file of a parameter of this shape.
pub(super) fn in_file(shape: &[usize]) -> Vec<usize> {
    let mut turned = vec![0; shape.len()];
    for (ours, &theirs) in axes(shape.len()).iter().enumerate() {
        turned[theirs] = shape[ours];
    }
    turned
}

/// A tensor of the file as our parameter.
pub(super) fn from_file(tensor: NamedTensor) -> NamedTensor {
    let NamedTensor { name, shape: theirs, values } = tensor;
    let axes = axes(theirs.len());
    let shape: Vec<usize> = axes.iter().map(|&axis| theirs[axis]).collect();
    if axes.is_sorted() || values.len() != theirs.iter().product::<usize>() {
        return NamedTensor { name, shape, values };
    }
    // All but the first axis of the file, `Cout`, which is our last: where each of their places is in a row of the file.
    let n_out = theirs[0];
    let row = values.len() / n_out.max(1);
    let mut strides = vec![1; theirs.len()];
    for axis in (0..theirs.len() - 1).rev() {
        strides[axis] = strides[axis + 1] * theirs[axis + 1];
    }
    let mut places = vec![0];
    for &axis in &axes[..axes.len() - 1] {
        let (len, stride) = (theirs[axis], strides[axis]);
        let along = |&place: &usize| (0..len).map(move |i| place + i * stride);
        places = places.iter().flat_map(along).collect();
    }
    let mut turned = Vec::with_capacity(values.len());
    for place in places {
        turned.extend((0..n_out).map(|out| values[out * row + place]));
    }
    NamedTensor { name, shape, values: turned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_turned_and_values_with_them() {
        let shape = vec![2, 3, 1, 2, 2];
        let value = |[o, i, t, h, w]: [usize; 5]| {
            (((o * 10 + i) * 10 + t) * 10 + h) as f32 * 10.0 + w as f32
        };
        let mut values = Vec::new();
        for o in 0..2 {
            for i in 0..3 {
                for (h, w) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    values.push(value([o, i, 0, h, w]));
                }
            }
        }
        let turned = from_file(NamedTensor { name: "a".into(), shape: shape.clone(), values });
        assert_eq!((turned.shape.clone(), in_file(&turned.shape)), (vec![2, 2, 1, 3, 2], shape));
        // [h, w, t, i, o] = [1, 0, 0, 2, 1]
        assert_eq!(turned.values[2 * 6 + 2 * 2 + 1], value([1, 2, 0, 1, 0]));
        let plain = NamedTensor { name: "b".into(), shape: vec![3], values: vec![1.0, 2.0, 3.0] };
        assert_eq!(from_file(plain).values, [1.0, 2.0, 3.0]);
        assert_eq!(in_file(&[1, 1, 1, 7]), [7, 1, 1, 1]);
    }
}
