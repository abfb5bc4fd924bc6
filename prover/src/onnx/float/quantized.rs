//! Integer operators of quantised networks, rounded as onnxruntime rounds them.
//!
//! A quantised tensor holds integers q of an 8 or 16 bit type that stand for `(q - zero) scale`. Layers sum in
//! integers; [`Requantize`] brings a sum a back to the type by `clamp(rint(f32(a) m) + zero)`, m a float32 number, the
//! product rounded to float32, rint half to even. Source: ONNX QuantizeLinear, QLinearMatMul, QLinearConv; the order
//! of the float32 operations is onnxruntime's (its kernels with fused multiply-add), established by comparison on
//! every pair of operands of QLinearAdd and QLinearMul and on random sums elsewhere.

use super::{AxisView, Convolution};

/// Element type of a quantised tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 0 to 255
    Uint8,
    /// -128 to 127
    Int8,
    /// 0 to 65,535
    Uint16,
    /// -32,768 to 32,767
    Int16,
}

/// How the integers of a tensor read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) scale: f32,
    pub(crate) zero: i64,
    pub(crate) element: Element,
}

/// A dense layer of integers: `a_j = sum_i w_ji (x_i - zero) + b_j`.
#[derive(Clone, Debug)]
pub(crate) struct IntegerLayer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Shape [outputs, inputs], less their zero points.
    pub(crate) weights: Vec<i32>,
    pub(crate) bias: Vec<i64>,
    /// Zero point of the operand.
    pub(crate) zero: i64,
    /// The file's type and zero points allow weights in `[-2^weight_bits, 2^weight_bits)`.
    pub(crate) weight_bits: u32,
}

/// A convolution of integers: `op` on `x - zero`, padding being the zero point.
#[derive(Clone, Debug)]
pub(crate) struct IntegerConvolution {
    /// Weights, less their zero points, and biases hold whole numbers.
    pub(crate) op: Convolution,
    /// Zero point of the operand.
    pub(crate) zero: i64,
    /// As in [`IntegerLayer`].
    pub(crate) weight_bits: u32,
}

/// From sums to integers of a quantised type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Requantize {
    /// Element i follows rule `(i / inner) mod rules.len()`.
    pub(crate) rules: Vec<Rule>,
    pub(crate) inner: usize,
    pub(crate) zero: i64,
    pub(crate) element: Element,
}

/// What a sum is multiplied by, and how it is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// `rint(f32(a) m) + zero`
    Product(f32),
    /// `rint(f32(a) m + zero)`
    Shifted(f32),
    /// `rint(a from / (count to)) + zero`, or the zero point inside, a mean that onnxruntime computes in float32:
    /// equal unless the quotient is so near a half that its order of summation decides.
    Mean {
        from: f32,
        to: f32,
        count: usize,
        zero_inside: bool,
    },
}

/// The sum of two quantised tensors: `rint(l ratio_l + (r ratio_r + fixed))`, each product and sum rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AddRule {
    pub(crate) left: f32,
    pub(crate) right: f32,
    pub(crate) fixed: f32,
    pub(crate) element: Element,
}

/// Softmax of a quantised tensor: `rint(levels e_i / sum e) + zero`, `e_i = exp(scale (x_i - max x))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SoftmaxRule {
    pub(crate) axis: AxisView,
    pub(crate) scale: f32,
    /// `floor(1 / output scale)`
    pub(crate) levels: i64,
    pub(crate) zero: i64,
    pub(crate) element: Element,
}

/// An operator on quantised tensors or on their sums.
#[derive(Clone, Debug)]
pub(crate) enum Quantized {
    /// Numbers to integers.
    Quantize(Scale),
    /// Integers to float32 numbers; element i has scale `(i / inner) mod scales.len()`, and so for the zero points.
    Dequantize {
        scales: Vec<f32>,
        zeros: Vec<i64>,
        inner: usize,
    },
    /// A layer of private weights; gives sums.
    Layer(IntegerLayer),
    /// A convolution of private weights; gives sums.
    Convolution(IntegerConvolution),
    /// Sums of windows, each element less the zero point.
    Sum { windows: Vec<Vec<u32>>, zero: i64 },
    /// `(l - zeros.0) (r - zeros.1)`
    Product { zeros: (i64, i64) },
    /// Sums to integers.
    Requantize(Requantize),
    /// Two tensors added.
    Add(AddRule),
    /// Softmax along an axis.
    Softmax(SoftmaxRule),
    /// A public function of each element; entry i belongs to the type's least integer plus i.
    Table {
        name: &'static str,
        from: Element,
        values: Vec<i64>,
        /// Operands whose result lies so near a half that another library's last bit may decide otherwise.
        near: Vec<i64>,
    },
    /// Private integers, whatever the operand.
    Constant(Vec<i64>),
}

impl Element {
    /// From `TensorProto.DataType`.
    pub(crate) fn of(data_type: i32) -> Option<Self> {
        match data_type {
            2 => Some(Self::Uint8),
            3 => Some(Self::Int8),
            4 => Some(Self::Uint16),
            5 => Some(Self::Int16),
            _ => None,
        }
    }

    /// Least and greatest integer.
    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            Self::Uint8 => (0, 255),
            Self::Int8 => (-128, 127),
            Self::Uint16 => (0, 65_535),
            Self::Int16 => (-32_768, 32_767),
        }
    }

    /// What an integer exceeds its place in the signed type of the same width by.
    pub(crate) fn offset(self) -> i64 {
        let (lo, hi) = self.range();
        lo + (hi - lo + 1) / 2
    }

    /// Width without the sign.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Uint8 | Self::Int8 => 7,
            Self::Uint16 | Self::Int16 => 15,
        }
    }

    fn clamp(self, v: f32) -> i64 {
        let (lo, hi) = self.range();
        v.clamp(lo as f32, hi as f32) as i64
    }
}

impl Scale {
    /// `clamp(rint(x / scale) + zero)`
    pub(crate) fn quantize(&self, x: f32) -> i64 {
        let (lo, hi) = self.element.range();
        let q = (x / self.scale).clamp((lo - self.zero) as f32, (hi - self.zero) as f32);
        q.round_ties_even() as i64 + self.zero
    }

    /// `(q - zero) scale`
    pub(crate) fn dequantize(&self, q: i64) -> f32 {
        (q - self.zero) as f32 * self.scale
    }
}

impl Requantize {
    pub(crate) fn rule(&self, i: usize) -> Rule {
        self.rules[(i / self.inner) % self.rules.len()]
    }
}

impl Rule {
    /// The integer that the sum `a` becomes; does not decrease as a grows.
    pub(crate) fn at(self, a: i64, zero: i64, element: Element) -> i64 {
        let (lo, hi) = element.range();
        let outside = |v: f32| v.clamp((lo - zero) as f32, (hi - zero) as f32);
        match self {
            Self::Product(m) => outside(a as f32 * m).round_ties_even() as i64 + zero,
            Self::Shifted(m) => element.clamp((a as f32 * m + zero as f32).round_ties_even()),
            Self::Mean {
                from,
                to,
                count,
                zero_inside,
            } => {
                let mean = a as f64 * f64::from(from) / (count as f64 * f64::from(to));
                let (inside, outside) = if zero_inside { (zero, 0) } else { (0, zero) };
                let rounded = (mean + inside as f64).round_ties_even();
                (rounded.clamp(-1e9, 1e9) as i64 + outside).clamp(lo, hi)
            }
        }
    }

    /// Bound of what float32's rounding adds to a mean of integers as wide as `element`'s, in units of the result.
    pub(crate) fn mean_error(self, element: Element) -> f64 {
        match self {
            Self::Mean {
                from, to, count, ..
            } => {
                let greatest = 2f64.powi(element.bits() as i32 + 1) * f64::from(from / to);
                (count as f64 + 3.0) * greatest * 2f64.powi(-24)
            }
            Self::Product(_) | Self::Shifted(_) => 0.0,
        }
    }

    /// Tells rules apart.
    pub(crate) fn key(self) -> [u32; 4] {
        match self {
            Self::Product(m) => [0, m.to_bits(), 0, 0],
            Self::Shifted(m) => [1, m.to_bits(), 0, 0],
            Self::Mean {
                from,
                to,
                count,
                zero_inside,
            } => {
                let kind = 2 + u32::from(zero_inside);
                [kind, from.to_bits(), to.to_bits(), count as u32]
            }
        }
    }

    /// The factor, as far as f64 holds it.
    pub(crate) fn factor(self) -> f64 {
        match self {
            Self::Product(m) | Self::Shifted(m) => f64::from(m),
            Self::Mean {
                from, to, count, ..
            } => f64::from(from) / (count as f64 * f64::from(to)),
        }
    }
}

impl AddRule {
    /// onnxruntime's constants for operands and a result of one element type.
    pub(crate) fn new(left: Scale, right: Scale, result: Scale) -> Self {
        let (l, r) = (left.scale / result.scale, right.scale / result.scale);
        let shift = l.mul_add(left.zero as f32, r * right.zero as f32);
        Self {
            left: l,
            right: r,
            fixed: result.zero as f32 - shift,
            element: result.element,
        }
    }

    pub(crate) fn at(&self, l: i64, r: i64) -> i64 {
        let right = (r as f32).mul_add(self.right, self.fixed);
        let sum = (l as f32).mul_add(self.left, right);
        self.element.clamp(sum.round_ties_even())
    }
}

impl Quantized {
    pub(crate) fn eval(&self, inputs: &[&[f64]]) -> Vec<f64> {
        let each = |f: &dyn Fn(usize, i64) -> f64| -> Vec<f64> {
            let x = inputs[0].iter().enumerate();
            x.map(|(i, &q)| f(i, q as i64)).collect()
        };
        let pairs = |f: &dyn Fn(i64, i64) -> i64| -> Vec<f64> {
            let pairs = inputs[0].iter().zip(inputs[1]);
            pairs.map(|(&l, &r)| f(l as i64, r as i64) as f64).collect()
        };
        match self {
            Self::Quantize(scale) => {
                let x = inputs[0].iter();
                x.map(|&x| scale.quantize(x as f32) as f64).collect()
            }
            Self::Dequantize {
                scales,
                zeros,
                inner,
            } => each(&|i, q| {
                let channel = i / inner;
                let (scale, zero) = (scales[channel % scales.len()], zeros[channel % zeros.len()]);
                f64::from((q - zero) as f32 * scale)
            }),
            Self::Layer(layer) => layer.eval(inputs[0]),
            Self::Convolution(layer) => {
                let zero = layer.zero as f64;
                let x: Vec<f64> = inputs[0].iter().map(|x| x - zero).collect();
                layer.op.eval(&x)
            }
            Self::Sum { windows, zero } => {
                let sum = |w: &Vec<u32>| w.iter().map(|&i| inputs[0][i as usize]).sum::<f64>();
                let less = |w: &Vec<u32>| sum(w) - (w.len() as i64 * zero) as f64;
                windows.iter().map(less).collect()
            }
            Self::Product { zeros } => pairs(&|l, r| (l - zeros.0) * (r - zeros.1)),
            Self::Requantize(op) => each(&|i, a| op.rule(i).at(a, op.zero, op.element) as f64),
            Self::Add(rule) => pairs(&|l, r| rule.at(l, r)),
            Self::Softmax(rule) => rule.eval(inputs[0]),
            Self::Table { from, values, .. } => {
                each(&|_, q| values[(q - from.range().0) as usize] as f64)
            }
            Self::Constant(values) => values.iter().map(|&v| v as f64).collect(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Quantize(_) => "QuantizeLinear",
            Self::Dequantize { .. } => "DequantizeLinear",
            Self::Layer(_) => "MatMulInteger",
            Self::Convolution(_) => "ConvInteger",
            Self::Sum { .. } => "IntegerSum",
            Self::Product { .. } => "IntegerProduct",
            Self::Requantize(_) => "Requantize",
            Self::Add(_) => "QLinearAdd",
            Self::Softmax(_) => "QLinearSoftmax",
            Self::Table { name, .. } => name,
            Self::Constant(_) => "Constant",
        }
    }

    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.weights.len() + layer.bias.len(),
            Self::Convolution(layer) => layer.op.weights.len() + layer.op.bias.len(),
            Self::Constant(values) => values.len(),
            _ => 0,
        }
    }
}

impl IntegerLayer {
    fn eval(&self, x: &[f64]) -> Vec<f64> {
        let rows = || self.weights.chunks_exact(self.inputs).zip(&self.bias);
        x.chunks_exact(self.inputs)
            .flat_map(|x| {
                rows().map(move |(row, &bias)| {
                    let products = row.iter().zip(x);
                    let sum = products.map(|(&w, &x)| i64::from(w) * (x as i64 - self.zero));
                    (sum.sum::<i64>() + bias) as f64
                })
            })
            .collect()
    }
}

impl SoftmaxRule {
    fn eval(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for group in self.axis.groups() {
            let max = group.iter().map(|&i| x[i]).fold(f64::MIN, f64::max);
            let e = |i: usize| ((x[i] - max) * f64::from(self.scale)).exp();
            let sum: f64 = group.iter().map(|&i| e(i)).sum();
            for &i in &group {
                let q = (self.levels as f64 * e(i) / sum).round_ties_even() as i64;
                y[i] = self.stored(q) as f64;
            }
        }
        y
    }

    /// What onnxruntime stores for a rounded quotient: it holds unsigned results to the type, and lets signed ones
    /// wrap.
    pub(crate) fn stored(&self, quotient: i64) -> i64 {
        let q = quotient + self.zero;
        match self.element {
            Element::Int8 if q <= 255 => i64::from(q as i8),
            Element::Int8 => -1,
            _ => q.min(self.element.range().1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_ties_to_even_and_saturates() {
        let at = |a, zero, element| Rule::Product(0.5).at(a, zero, element);
        let of = |zero| [-3, -1, 1, 3, 5].map(|a| at(a, zero, Element::Int8));
        assert_eq!(of(0), [-2, 0, 0, 2, 2]);
        assert_eq!(of(1), [-1, 1, 1, 3, 3]);
        assert_eq!(at(-7, 3, Element::Uint8), 0);
        assert_eq!(at(1 << 40, 3, Element::Uint8), 255);
        // The zero point joins before rounding.
        let shifted = [-1, 1, 3].map(|a| Rule::Shifted(0.5).at(a, 1, Element::Int8));
        assert_eq!(shifted, [0, 2, 2]);
    }

    #[test]
    fn sums_beyond_float32_round_first() {
        // 2^24 + 1 is no float32.
        let rule = Rule::Product(2f32.powi(-24));
        assert_eq!(rule.at((3 << 23) + 1, 0, Element::Int8), 2);
        assert_eq!(rule.at((1 << 23) + 1, 0, Element::Int8), 1);
        assert_eq!(rule.at(5 << 23, 0, Element::Int8), 2);
        assert_eq!(rule.at((5 << 23) + 1, 0, Element::Int8), 2);
        assert_eq!(rule.at((5 << 23) + 3, 0, Element::Int8), 3);
    }

    #[test]
    fn quantises_as_the_specification_says() {
        let scale = Scale {
            scale: 0.5,
            zero: 10,
            element: Element::Uint8,
        };
        assert_eq!(
            [0.25, 0.75, -5.25, 1e9].map(|x| scale.quantize(x)),
            [10, 12, 0, 255]
        );
        assert_eq!(scale.dequantize(7), -1.5);
        assert_eq!(Element::Uint8.offset(), 128);
        assert_eq!(Element::Int16.offset(), 0);
    }
}
