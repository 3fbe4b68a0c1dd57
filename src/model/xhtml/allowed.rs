//! What a narrative may hold: chapters 7 to 11 (without 9.4) and 15 of HTML 4.0,
//! `a`, `img` with its maps, and `style` attributes
//! (<https://hl7.org/fhir/R4/narrative.html#xhtml>). Deprecated elements are
//! not among them. The attributes are those that the reference validator lets
//! pass.

/// Whether the element is one of basic formatting.
pub(super) fn element(name: &str) -> bool {
    matches!(
        name.as_bytes(),
        b"p" | b"b"
            | b"a"
            | b"i"
            | b"q"
            | b"td"
            | b"tr"
            | b"th"
            | b"br"
            | b"li"
            | b"ul"
            | b"ol"
            | b"em"
            | b"tt"
            | b"hr"
            | b"dl"
            | b"dt"
            | b"dd"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"div"
            | b"img"
            | b"pre"
            | b"big"
            | b"sub"
            | b"sup"
            | b"dfn"
            | b"var"
            | b"bdo"
            | b"kbd"
            | b"col"
            | b"map"
            | b"span"
            | b"code"
            | b"samp"
            | b"abbr"
            | b"cite"
            | b"area"
            | b"table"
            | b"tbody"
            | b"thead"
            | b"tfoot"
            | b"small"
            | b"strong"
            | b"caption"
            | b"acronym"
            | b"address"
            | b"colgroup"
            | b"blockquote"
    )
}

/// Attributes and the elements that have them; those of every element have
/// none. The frequent ones come first.
const ATTRIBUTES: [(&str, &[&str]); 47] = [
    ("class", &[]),
    ("href", &["a", "area"]),
    ("title", &[]),
    ("style", &[]),
    ("src", &["img"]),
    ("alt", &["img", "area"]),
    ("id", &[]),
    ("name", &["a", "map"]),
    ("colspan", &[]),
    ("rowspan", &[]),
    ("border", &["table", "img"]),
    ("width", &[]),
    ("height", &["img"]),
    ("align", &[]),
    ("valign", &[]),
    ("lang", &[]),
    ("xml:lang", &[]),
    ("dir", &[]),
    ("accesskey", &[]),
    ("tabindex", &[]),
    ("span", &[]),
    ("char", &[]),
    ("charoff", &[]),
    ("abbr", &[]),
    ("axis", &[]),
    ("headers", &[]),
    ("scope", &[]),
    ("cite", &["blockquote", "q"]),
    ("charset", &["a"]),
    ("type", &["a"]),
    ("hreflang", &["a"]),
    ("rel", &["a"]),
    ("rev", &["a"]),
    ("shape", &["a", "area"]),
    ("coords", &["a", "area"]),
    ("longdesc", &["img"]),
    ("usemap", &["img"]),
    ("ismap", &["img"]),
    ("nohref", &["area"]),
    ("summary", &["table"]),
    ("frame", &["table"]),
    ("rules", &["table"]),
    ("cellspacing", &["table"]),
    ("cellpadding", &["table"]),
    ("space", &["pre"]),
    ("xml:space", &["pre"]),
    ("nowrap", &["td", "th"]),
];

/// A bit that stands for the attribute; none when the element may not have it.
pub(super) fn attribute(element: &str, name: &str) -> u64 {
    let known = ATTRIBUTES
        .iter()
        .enumerate()
        .find(|(_, (known, _))| *known == name);
    match known {
        Some((at, (_, elements))) if elements.is_empty() || elements.contains(&element) => 1 << at,
        _ => 0,
    }
}

/// Whether the value of an attribute is no script.
pub(super) fn value(attribute: &str, value: &str) -> bool {
    const SCRIPT: &str = "javascript:";
    !matches!(attribute, "href" | "src")
        || !super::trim_start(value)
            .get(..SCRIPT.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(SCRIPT))
}
