//! What a narrative may hold: chapters 7 to 11 (without 9.4) and 15 of HTML 4.0,
//! `a`, `img` with its maps, and `style` attributes
//! (<https://hl7.org/fhir/R4/narrative.html#xhtml>). Deprecated elements are
//! not among them. The attributes are those that the reference validator lets
//! pass.

/// Whether the element is one of basic formatting.
pub(super) fn element(name: &str) -> bool {
    // By length, because a list of all would be compared one by one.
    match name.len() {
        1 => matches!(name, "p" | "b" | "a" | "i" | "q"),
        2 => matches!(
            name,
            "td" | "tr"
                | "th"
                | "br"
                | "li"
                | "ul"
                | "ol"
                | "em"
                | "tt"
                | "hr"
                | "dl"
                | "dt"
                | "dd"
                | "h1"
                | "h2"
                | "h3"
                | "h4"
                | "h5"
                | "h6"
        ),
        3 => matches!(
            name,
            "div"
                | "img"
                | "pre"
                | "big"
                | "sub"
                | "sup"
                | "dfn"
                | "var"
                | "bdo"
                | "kbd"
                | "col"
                | "map"
        ),
        4 => matches!(name, "span" | "code" | "samp" | "abbr" | "cite" | "area"),
        5 => matches!(name, "table" | "tbody" | "thead" | "tfoot" | "small"),
        6 => name == "strong",
        7 => matches!(name, "caption" | "acronym" | "address"),
        8 => name == "colgroup",
        10 => name == "blockquote",
        _ => false,
    }
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
