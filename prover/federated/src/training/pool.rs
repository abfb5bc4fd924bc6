//! Largest of each window of `window^2` values, windows side by side; incomplete ones are dropped.
//!
//! Source: ONNX MaxPool 12, strides equal to the kernel.

use super::architecture::Shape;

/// Where the largest value of each window lies; the first of equal ones.
fn largest(x: &[f32], input: Shape, window: usize) -> impl Iterator<Item = usize> + '_ {
    let (height, width) = (input.height / window, input.width / window);
    let windows = (0..input.channels)
        .flat_map(move |c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))));
    windows.map(move |(channel, y, column)| {
        let corner = (channel * input.height + y * window) * input.width + column * window;
        let cells = (0..window * window).map(|i| corner + i / window * input.width + i % window);
        let best = cells.reduce(|best, at| if x[at] > x[best] { at } else { best });
        best.expect("a window of one value or more")
    })
}

pub(super) fn forward(x: &[f32], input: Shape, window: usize, y: &mut [f32]) {
    let size = y.len() / (x.len() / input.size());
    for (x, y) in x.chunks_exact(input.size()).zip(y.chunks_exact_mut(size)) {
        for (y, at) in y.iter_mut().zip(largest(x, input, window)) {
            *y = x[at];
        }
    }
}

pub(super) fn backward(x: &[f32], g: &[f32], input: Shape, window: usize, dx: &mut [f32]) {
    let size = g.len() / (x.len() / input.size());
    let rows = x.chunks_exact(input.size()).zip(g.chunks_exact(size));
    for ((x, g), dx) in rows.zip(dx.chunks_exact_mut(input.size())) {
        dx.fill(0.0);
        for (g, at) in g.iter().zip(largest(x, input, window)) {
            dx[at] += g;
        }
    }
}
