//! A model's graph as an SVG picture, laid out by the crate layout-rs.

use clearproof_prover::onnx::Drawing;
use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;

/// More boxes than anybody reads; the layout takes quadratic time.
pub(crate) const MAX_BOXES: usize = 2_000;
/// Letters of a label that are drawn; names come from the model's file.
const MAX_LETTERS: usize = 48;

/// The picture. The writer escapes what XML would take for markup.
pub(crate) fn svg(drawing: &Drawing) -> String {
    let orientation = Orientation::TopToBottom;
    let mut graph = VisualGraph::new(orientation);
    let mut handles = Vec::with_capacity(drawing.labels.len());
    for label in &drawing.labels {
        let text = legible(label);
        let size = Point::new(24.0 + 9.0 * text.chars().count() as f64, 34.0);
        let shape = ShapeKind::new_box(&text);
        let element = Element::create(shape, StyleAttr::simple(), orientation, size);
        handles.push(graph.add_node(element));
    }
    for (from, to) in &drawing.arrows {
        graph.add_edge(Arrow::simple(""), handles[*from], handles[*to]);
    }
    let mut out = SVGWriter::new();
    graph.do_it(false, false, false, &mut out);
    out.finalize()
}

/// A label without control characters, cut where it is long.
fn legible(label: &str) -> String {
    let mut text: String = label
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_LETTERS)
        .collect();
    if label.chars().count() > MAX_LETTERS {
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_a_file_cannot_become_markup() {
        let drawing = Drawing {
            labels: vec![
                "input <script>alert(1)</script>".into(),
                "</text><image href=x>Relu\u{0}\n\"'&".into(),
                "x".repeat(500),
            ],
            arrows: vec![(0, 1), (1, 2)],
        };
        let picture = svg(&drawing);
        assert!(picture.trim_start().starts_with("<?xml"), "{picture}");
        assert!(picture.contains("&lt;script&gt;"));
        assert!(!picture.contains("<script") && !picture.contains("<image"));
        assert!(!picture.contains(&"x".repeat(60)) && !picture.contains('\u{0}'));
    }
}
