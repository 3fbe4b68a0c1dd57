//! Objects, arrays and resources: the generic driver over the generated tables.

use std::borrow::Cow;

use super::{Object, PrimitiveArray, Reader, Segment};
use crate::model::{
    Resource, Rule,
    definition::{Key, Kind, TypeDef},
    near,
    primitive::{Defect, JsonType},
    reader::report::quoted,
};

/// Which keys and elements of an object were seen. Sized for the type with the
/// most keys; the generator refuses a larger one.
#[derive(Default)]
struct Seen {
    values: [u64; 4],
    siblings: [u64; 4],
    elements: u128,
}

impl Seen {
    /// Marks a key; whether it was new.
    fn mark(&mut self, key: usize, sibling: bool) -> bool {
        let words = if sibling {
            &mut self.siblings
        } else {
            &mut self.values
        };
        let bit = 1 << (key % 64);
        let new = words[key / 64 % 4] & bit == 0;
        words[key / 64 % 4] |= bit;
        new
    }

    fn has(&self, key: usize) -> bool {
        (self.values[key / 64 % 4] | self.siblings[key / 64 % 4]) & (1 << (key % 64)) != 0
    }
}

/// Where an object is read into: one function for each type, so that reading
/// itself is compiled once.
pub(crate) trait Place {
    /// The object to read into; a list appends one.
    fn object(&mut self) -> &mut dyn Object;
}

impl<'a> Reader<'a> {
    /// Reads the object at the cursor (`{` was peeked) into `object`.
    pub(crate) fn object(&mut self, object: &mut dyn Object) {
        let definition = object.definition();
        let offset = self.pos;
        let first_array = self.arrays.len();
        if !self.enter() {
            return;
        }
        if self.closes(b'}') {
            let expected = format!("content of type {}", definition.name);
            self.report(Rule::Empty, offset, expected, "an empty object".into());
            return;
        }
        let mut seen = Seen::default();
        let mut complete = true;
        let mut expected_key = 0;
        let mut named = false;
        loop {
            self.peek();
            let at = self.pos;
            let Some(name) = self.key() else { break };
            match find_key(definition, &name, expected_key) {
                Some((key, sibling)) => {
                    expected_key = key + 1;
                    complete &= self.property(object, definition, key, sibling, &mut seen, at);
                }
                None if name == "resourceType" && definition.kind == Kind::Resource => {
                    self.resource_type(definition, named, at);
                    named = true;
                }
                None => self.unknown_property(definition, &name, at),
            }
            if !self.another(b'}') {
                break;
            }
        }
        if self.dead {
            return;
        }
        if self.arrays.len() > first_array {
            self.pair_arrays(definition, first_array);
        }
        for &element in definition.required {
            if seen.elements & (1 << element) == 0
                && let Some(missing) = definition.elements.get(usize::from(element))
            {
                let expected = format!(
                    "the element {} ({}..{})",
                    missing.name,
                    missing.min,
                    missing.max()
                );
                complete = false;
                self.report_child(
                    definition,
                    missing,
                    None,
                    Rule::Required,
                    offset,
                    expected,
                    "nothing".into(),
                );
            }
        }
        if definition.kind == Kind::Resource && !named {
            let expected = format!("\"resourceType\": \"{}\"", definition.name);
            self.report(
                Rule::ResourceType,
                offset,
                expected,
                "no resourceType".into(),
            );
        }
        self.observe(object, offset, complete);
    }

    /// Reads a property; whether there is a value, or no error that ate it.
    fn property(
        &mut self,
        object: &mut dyn Object,
        definition: &'static TypeDef,
        index: usize,
        sibling: bool,
        seen: &mut Seen,
        at: usize,
    ) -> bool {
        let (Some(key), Some(element)) = (
            definition.keys.get(index),
            definition
                .keys
                .get(index)
                .and_then(|key| definition.elements.get(usize::from(key.element))),
        ) else {
            return true;
        };
        let errors = self.errors;
        self.path
            .push(Segment::element(definition, element, key.variant));
        let other_value = seen.elements & (1 << key.element) != 0 && !seen.has(index);
        if !seen.mark(index, sibling) {
            self.duplicate_key(key.name, at);
            self.skip_value();
        } else if other_value && element.choice {
            let expected = format!("one value of {}[x]", element.name);
            self.report(
                Rule::ChoiceMultiple,
                at,
                expected,
                format!("also {}", quoted(key.name)),
            );
            self.skip_value();
        } else {
            seen.elements |= 1 << key.element;
            self.peek();
            object
                .slot_mut(usize::from(key.element))
                .read(self, key, sibling);
        }
        self.path.pop();
        // What an object lacks is reported in it; here counts what is not kept.
        self.errors == errors || !object.slot(usize::from(key.element)).is_empty()
    }

    /// The value of `resourceType` in an object that is of a known type.
    fn resource_type(&mut self, definition: &'static TypeDef, again: bool, at: usize) {
        self.peek();
        let value = self.pos;
        if again {
            self.duplicate_key("resourceType", at);
            self.skip_value();
            return;
        }
        let found = self.describe(value);
        let matches =
            self.peek() == b'"' && self.string().is_some_and(|name| name == definition.name);
        if !matches {
            self.pos = if self.dead { self.pos } else { value };
            self.skip_value();
            let expected = format!("the resourceType \"{}\"", definition.name);
            self.report(Rule::ResourceType, value, expected, found);
        }
    }

    fn unknown_property(&mut self, definition: &'static TypeDef, name: &str, at: usize) {
        let bare = name.strip_prefix('_').unwrap_or(name);
        let expected = if definition.keys.iter().any(|key| key.name == bare) {
            format!("no _ sibling on {bare}, which is not primitive")
        } else {
            let names = definition.keys.iter().map(|key| key.name);
            match self.near(bare, names) {
                Some(near) => format!("an element of {} (near: {near})", definition.name),
                None => format!("an element of {}", definition.name),
            }
        };
        self.report(
            Rule::UnknownElement,
            at,
            expected,
            format!("the property {}", quoted(name)),
        );
        self.skip_value();
    }

    /// The name that was meant, for the first issues of a document: it takes far
    /// longer than to read one.
    fn near(
        &self,
        name: &str,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Option<&'static str> {
        const MOST: usize = 100;
        match self.issues.len() < MOST {
            true => near::matches(name, names).first().copied(),
            false => None,
        }
    }

    pub(crate) fn duplicate_key(&mut self, name: &str, at: usize) {
        let found = format!("{} a second time", quoted(name));
        self.report(
            Rule::JsonDuplicateKey,
            at,
            "each property once".into(),
            found,
        );
    }

    /// One value that must be an object, read into a place.
    pub(crate) fn object_of(&mut self, key: &'static Key, place: &mut dyn Place) {
        if self.peek() == b'{' {
            self.object(place.object())
        } else {
            self.wrong_type(&format!("an object for {}", key.name))
        }
    }

    /// An array of objects, each read into a place of its own.
    pub(crate) fn objects_of(&mut self, key: &'static Key, list: &mut dyn Place) {
        self.array(key, &mut |reader, _| reader.object_of(key, list));
    }

    /// One value that must be an object: reads it by `read`, or reports what
    /// else it is.
    pub(crate) fn one_object(&mut self, key: &'static Key, read: &mut dyn FnMut(&mut Self)) {
        if self.peek() == b'{' {
            read(self)
        } else {
            self.wrong_type(&format!("an object for {}", key.name))
        }
    }

    /// An array whose entries `read` takes one by one, each with its index in
    /// the path. One function for all types: a copy for each would be half a
    /// megabyte of code.
    pub(crate) fn array(&mut self, key: &'static Key, read: &mut dyn FnMut(&mut Self, usize)) {
        if self.peek() != b'[' {
            if !self.starts_value() {
                return self.unexpected("a JSON value");
            }
            let at = self.pos;
            let found = self.describe(at);
            let rule = if found == "null" {
                Rule::Null
            } else {
                Rule::Repeating
            };
            self.report(rule, at, format!("an array for {}", key.name), found);
            return self.skip_value();
        }
        let at = self.pos;
        if !self.enter() {
            return;
        }
        if self.closes(b']') {
            let expected = format!("at least one {}", key.name);
            return self.report(Rule::Empty, at, expected, "an empty array".into());
        }
        let mut index = 0;
        loop {
            if let Some(segment) = self.path.last_mut() {
                segment.index = Some(index as u32);
            }
            self.peek();
            read(self, index);
            index += 1;
            if !self.another(b']') {
                break;
            }
        }
        if !self.dead
            && let Some(segment) = self.path.last_mut()
        {
            segment.index = None;
        }
    }

    /// An array of primitives or of their siblings: `read` takes an entry that
    /// is not null, `gap` one that is.
    pub(crate) fn primitive_array(
        &mut self,
        key: &'static Key,
        sibling: bool,
        read: &mut dyn FnMut(&mut Self, usize, bool),
    ) {
        let offset = self.pos;
        let mut nulls = Vec::new();
        let mut len = 0;
        self.array(key, &mut |reader, index| {
            len = index + 1;
            let null = reader.peek() == b'n' && reader.literal().is_some();
            if null {
                nulls.push(index);
            }
            read(reader, index, null);
        });
        if len > 0 {
            self.arrays.push(PrimitiveArray {
                key,
                sibling,
                offset,
                len,
                nulls,
            });
        }
    }

    /// Compares the arrays of primitives of the object that closes with their
    /// siblings (<https://hl7.org/fhir/R4/json.html#primitive>).
    fn pair_arrays(&mut self, definition: &'static TypeDef, first: usize) {
        let arrays = self.arrays.split_off(first);
        for array in &arrays {
            let Some(element) = definition.elements.get(usize::from(array.key.element)) else {
                continue;
            };
            let name = element.name;
            let other = arrays
                .iter()
                .find(|other| std::ptr::eq(other.key, array.key) && other.sibling != array.sibling);
            if let Some(other) = other
                && !array.sibling
                && other.len != array.len
            {
                let expected = format!("{} entries in _{name}, as in {name}", array.len);
                let found = other.len.to_string();
                self.report_child(
                    definition,
                    element,
                    None,
                    Rule::SiblingLength,
                    other.offset,
                    expected,
                    found,
                );
            }
            for &null in &array.nulls {
                let filled =
                    other.is_some_and(|other| null < other.len && !other.nulls.contains(&null));
                // Where both are null the issue stands once, at the value.
                if !filled && (other.is_none() || !array.sibling) {
                    let expected = "a value or an extension".into();
                    self.report_child(
                        definition,
                        element,
                        Some(null),
                        Rule::Null,
                        array.offset,
                        expected,
                        "null".into(),
                    );
                }
            }
        }
    }

    /// Reports a value that has the wrong JSON type and skips it.
    pub(crate) fn wrong_type(&mut self, expected: &str) {
        if !self.starts_value() {
            return self.unexpected("a JSON value");
        }
        let at = self.pos;
        let found = self.describe(at);
        let rule = match self.bytes.get(at) {
            Some(b'[') => Rule::NotRepeating,
            Some(b'n') => Rule::Null,
            _ => Rule::JsonType,
        };
        self.report(rule, at, expected.to_owned(), found);
        self.skip_value();
    }

    /// Whether a JSON value starts here; anything else ends the document.
    fn starts_value(&mut self) -> bool {
        matches!(
            self.peek(),
            b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'
        )
    }

    /// A scalar of the given JSON type as text (a string without its quotes),
    /// or `None` after a report.
    pub(crate) fn scalar(&mut self, json: JsonType, type_name: &str) -> Option<Cow<'a, str>> {
        match (json, self.peek()) {
            (JsonType::String, b'"') => {
                let at = self.pos;
                let text = self.string()?;
                if text.is_empty() {
                    let expected = format!("a {type_name} with content");
                    self.report(Rule::Empty, at, expected, "an empty string".into());
                    return None;
                }
                Some(text)
            }
            (JsonType::Number, b'-' | b'0'..=b'9') => self.number().map(Cow::Borrowed),
            (JsonType::Boolean, b't' | b'f') => self.literal().map(Cow::Borrowed),
            _ => {
                self.wrong_type(&format!(
                    "a JSON {} for the type {type_name}",
                    json.as_str()
                ));
                None
            }
        }
    }

    /// Reports a scalar that was read from `at` on and is not of its type.
    pub(crate) fn defect(&mut self, defect: Defect, at: usize) {
        let found = match defect.found {
            Some(found) => found,
            None => self.describe(at),
        };
        self.report(defect.rule, at, defect.expected.into_owned(), found);
    }

    /// The offset of the next token.
    pub(crate) fn offset(&mut self) -> usize {
        self.peek();
        self.pos
    }

    /// Reads a resource of any type (`{` was peeked).
    pub(crate) fn resource(&mut self, slot: &mut Option<Resource>) {
        let at = self.pos;
        match self.find_resource_type() {
            Some(name) => match Resource::empty(&name) {
                Some(resource) => {
                    let object = slot.insert(resource).as_object_mut();
                    let root = self.path.is_empty();
                    if root {
                        self.path.push(Segment::root(object.definition()));
                    }
                    self.object(object);
                    // A document that has ended keeps its path for the report.
                    if root && !self.dead {
                        self.path.pop();
                    }
                }
                None => {
                    let near = self.near(&name, Resource::TYPES.iter().copied());
                    let expected = match near {
                        Some(near) => format!("one of the 146 resource types of R4 (near: {near})"),
                        None => "one of the 146 resource types of R4".into(),
                    };
                    let found = format!("the resourceType {}", quoted(&name));
                    self.report(Rule::ResourceType, at, expected, found);
                    self.skip_value();
                }
            },
            None => {
                // A syntax error inside is the end of the document, and alone
                // says what is wrong.
                self.skip_value();
                self.report(
                    Rule::ResourceType,
                    at,
                    "a resourceType".into(),
                    "none".into(),
                );
            }
        }
    }

    /// The `resourceType` of the object at the cursor, wherever in it it
    /// stands, without moving the cursor or reporting anything.
    fn find_resource_type(&mut self) -> Option<Cow<'a, str>> {
        let mut ahead = Reader {
            depth: self.depth,
            ..Reader::at(self.source, self.pos)
        };
        if !ahead.enter() || ahead.closes(b'}') {
            return None;
        }
        loop {
            let name = ahead.key()?;
            if name == "resourceType" {
                return if ahead.peek() == b'"' {
                    ahead.string()
                } else {
                    None
                };
            }
            ahead.skip_value();
            if !ahead.another(b'}') {
                return None;
            }
        }
    }
}

/// The key with this name and whether it is the `_` sibling of a primitive.
/// Properties mostly come in the order of the definition, so the search starts
/// at the one after the last.
#[inline]
fn find_key(definition: &'static TypeDef, name: &str, expected: usize) -> Option<(usize, bool)> {
    let keys = definition.keys;
    for (ahead, key) in keys
        .get(expected..)
        .unwrap_or_default()
        .iter()
        .take(4)
        .enumerate()
    {
        if key.name == name {
            return Some((expected + ahead, false));
        }
    }
    let search = |name: &str| {
        let sorted = definition.sorted_keys;
        sorted
            .binary_search_by(|&key| {
                keys.get(usize::from(key))
                    .map_or("", |key| key.name)
                    .cmp(name)
            })
            .ok()
            .and_then(|found| sorted.get(found))
            .map(|&key| usize::from(key))
    };
    if let Some(key) = search(name) {
        return Some((key, false));
    }
    let key = search(name.strip_prefix('_')?)?;
    keys.get(key)?.primitive.then_some((key, true))
}
