//! Windows over spatial axes: pooling, resizing, convolutions.

use super::*;

#[test]
fn pools_windows() {
    let row: Vec<f64> = (1..=9).map(f64::from).collect();
    let pool = |operator, more: &[(&str, Attr<'_>)]| {
        let mut attributes = vec![("kernel_shape", Ints(&[2, 2])), ("strides", Ints(&[2, 2]))];
        attributes.extend_from_slice(more);
        whole(&[1, 1, 3, 3]).node(operator, &["x"], "y", &attributes)
    };
    check_whole("MaxPool", pool("MaxPool", &[]), &row, &[5.0], 0.0);
    let ceil = [("ceil_mode", Int(1))];
    check_whole(
        "MaxPool",
        pool("MaxPool", &ceil),
        &row,
        &[5.0, 6.0, 8.0, 9.0],
        0.0,
    );
    let means = [3.0, 4.5, 7.5, 9.0];
    check_whole(
        "AveragePool",
        pool("AveragePool", &ceil),
        &row,
        &means,
        1e-3,
    );
    let padded = [("pads", Ints(&[1, 1, 0, 0])), ("count_include_pad", Int(1))];
    let means = [0.25, 1.25, 2.75, 7.0];
    check_whole(
        "AveragePool",
        pool("AveragePool", &padded),
        &row,
        &means,
        1e-3,
    );
    // Implementations disagree on what a window beyond the padding counts.
    let beyond = pool(
        "AveragePool",
        &[("ceil_mode", Int(1)), ("count_include_pad", Int(1))],
    );
    let error = load_with(&beyond.bytes(), BatchDimension::None).unwrap_err();
    assert!(error.to_string().contains("disagree"), "{error}");
    // Where the greatest elements are, counted in the operand.
    let model = ModelBuilder::new(20)
        .input("x", &[1, 1, 2, 3])
        .output("p", 7)
        .node("MaxPool", &["x"], "y,p", &[("kernel_shape", Ints(&[2, 2]))]);
    check_whole(
        "MaxPool",
        model,
        &[0.0, 5.0, 1.0, 2.0, 3.0, 7.0],
        &[1.0, 5.0],
        0.0,
    );
}

#[test]
fn resizes_by_public_weights() {
    let resize = |attributes: &[(&str, Attr<'_>)]| {
        whole(&[1, 1, 1, 2])
            .floats("scales", &[4], &[1.0, 1.0, 1.0, 2.0])
            .node("Resize", &["x", "", "scales"], "y", attributes)
    };
    let nearest = resize(&[("mode", Text("nearest"))]);
    check_whole("nearest", nearest, &[1.0, 3.0], &[1.0, 1.0, 3.0, 3.0], 0.0);
    let linear = resize(&[("mode", Text("linear"))]);
    check_whole("linear", linear, &[1.0, 3.0], &[1.0, 1.5, 2.5, 3.0], 1e-3);
}

/// The definition, by loops: x [channels, width], kernel [outputs, channels / groups, taps], results at `o stride - pad`.
#[allow(clippy::too_many_arguments)] // one convolution, spelled out
fn convolved(
    x: &[f64],
    channels: usize,
    kernel: &[f32],
    outputs: usize,
    groups: usize,
    stride: usize,
    dilation: usize,
    pad: (usize, usize),
) -> Vec<f64> {
    let (width, of_group) = (x.len() / channels, channels / groups);
    let taps = kernel.len() / outputs / of_group;
    let results = (width + pad.0 + pad.1 - (taps - 1) * dilation - 1) / stride + 1;
    let mut y = Vec::new();
    for o in 0..outputs {
        let first = o * groups / outputs * of_group;
        for r in 0..results {
            let mut sum = 0.0;
            for c in 0..of_group {
                for t in 0..taps {
                    let at = (r * stride + t * dilation).wrapping_sub(pad.0);
                    if at < width {
                        let w = kernel[(o * of_group + c) * taps + t];
                        sum += f64::from(w) * x[(first + c) * width + at];
                    }
                }
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn convolutions_are_their_definition() {
    let row: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 11) / 4.0 - 1.0).collect();
    for (channels, outputs, taps, groups, stride, dilation, pad) in [
        (2, 3, 3, 1, 1, 1, (1, 1)),
        (4, 4, 3, 4, 1, 1, (1, 1)), // depthwise
        (4, 2, 2, 2, 2, 1, (0, 1)),
        (2, 1, 3, 1, 1, 2, (2, 0)),
        (2, 3, 2, 1, 2, 1, (0, 0)), // windows apart
        (1, 2, 24, 1, 1, 1, (0, 0)),
    ] {
        let count = outputs * channels / groups * taps;
        let kernel: Vec<f32> = (0..count)
            .map(|i| (i * 5 % 7) as f32 / 4.0 - 0.75)
            .collect();
        let expected = convolved(
            &row, channels, &kernel, outputs, groups, stride, dilation, pad,
        );
        let width = 24 / channels as i64;
        let model = ModelBuilder::new(20)
            .input("x", &[0, channels as i64, width])
            .output("y", 1)
            .floats(
                "w",
                &[outputs as i64, (channels / groups) as i64, taps as i64],
                &kernel,
            )
            .node(
                "Conv",
                &["x", "w"],
                "y",
                &[
                    ("group", Int(groups as i64)),
                    ("strides", Ints(&[stride as i64])),
                    ("dilations", Ints(&[dilation as i64])),
                    ("pads", Ints(&[pad.0 as i64, pad.1 as i64])),
                ],
            );
        check("Conv", model, &row, &expected, 2e-3);
    }
}

/// A transposed convolution spreads each element by the kernel: `y[i s + t - pad] += w[t] x[i]`.
#[test]
fn transposed_convolutions_spread_their_operand() {
    let row = [1.0, -2.0, 0.5];
    let kernel = [0.5f32, 1.0, -1.5];
    let mut expected = [0.0; 8];
    for (i, x) in row.iter().enumerate() {
        for (t, w) in kernel.iter().enumerate() {
            expected[i * 2 + t] += x * f64::from(*w);
        }
    }
    let model = ModelBuilder::new(20)
        .input("x", &[0, 1, 3])
        .output("y", 1)
        .floats("w", &[1, 1, 3], &kernel)
        .node(
            "ConvTranspose",
            &["x", "w"],
            "y",
            &[
                ("strides", Ints(&[2])),
                ("pads", Ints(&[1, 0])),
                ("output_padding", Ints(&[1])),
            ],
        );
    check("ConvTranspose", model, &row, &expected[1..8], 1e-3);
}

#[test]
fn kernels_that_meet_too_many_operands_are_refused() {
    let width = 1 << 13;
    let model = ModelBuilder::new(20)
        .input("x", &[0, 1, width])
        .floats("w", &[1, 1, width], &vec![0.0; width as usize])
        .node("Conv", &["x", "w"], "y", &[])
        .output("y", 1);
    let refusal = load(&model.bytes()).unwrap_err().to_string();
    assert!(refusal.contains("positions of a convolution"), "{refusal}");
}
