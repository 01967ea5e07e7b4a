//! A picture as SVG; the layout is layout-rs'.

use std::io::{self, Write};

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::geometry::Point;
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::render::get_shape_size;
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, RecordDef, ShapeKind};
use layout::topo::layout::VisualGraph;
use vision_core::inventory::{MappedNamespace, NetworkMap};

use super::{Wire, drawn, label, wires};
use crate::output::esc;

/// Writes a map as a picture: a box for each namespace with its interfaces, lines for veth pairs.
///
/// # Errors
/// What writing says.
pub fn svg(map: &NetworkMap, out: &mut dyn Write) -> io::Result<()> {
    let mut graph = VisualGraph::new(Orientation::LeftToRight);
    let nodes: Vec<_> =
        map.namespaces.iter().map(|namespace| graph.add_node(element(namespace))).collect();
    for Wire { from, to } in wires(map) {
        if let (Some(a), Some(b)) = (nodes.get(from.0), nodes.get(to.0)) {
            let port = |ifindex: u32| Some(format!("i{ifindex}"));
            let (none, solid) = (LineEndKind::None, LineStyleKind::Normal);
            let look = StyleAttr::new(Color::fast("gray"), 1, None, 0, FONT);
            let (start, end) = (port(from.1), port(to.1));
            graph.add_edge(Arrow::new(none, none, solid, "", &look, &start, &end), *a, *b);
        }
    }
    let mut writer = SVGWriter::new();
    if !nodes.is_empty() {
        // Finding the fewest crossings takes a while, for many boxes too long.
        graph.do_it(false, nodes.len() > MANY, false, &mut writer);
    }
    out.write_all(writer.finalize().as_bytes())?;
    writeln!(out)
}

/// A box with a line for the namespace and one for each interface.
fn element(namespace: &MappedNamespace) -> Element {
    let mut lines = vec![RecordDef::new_text(&esc(&namespace.called).to_string())];
    for link in drawn(namespace) {
        let text = label(namespace, link);
        lines.push(RecordDef::new_text_with_port(&text, &format!("i{}", link.ifindex)));
    }
    let fill = if namespace.info.own { "lightyellow" } else { "white" };
    let look = StyleAttr::new(Color::fast("black"), 1, Some(Color::fast(fill)), 0, FONT);
    let shape = ShapeKind::new_record(&RecordDef::Array(lines));
    // Boxes are filled from above, while the picture grows to the right.
    let downwards = Orientation::TopToBottom;
    let size = get_shape_size(downwards, &shape, FONT, false);
    // The measure takes every letter for a square.
    Element::create(shape, look, downwards, Point::new(size.x * SLIM, size.y))
}

const FONT: usize = 12;
/// How wide the letters of a line are on average, in parts of their height.
const SLIM: f64 = 0.6;
/// From so many boxes on, lines may cross.
const MANY: usize = 60;
