//! The seam between reading and validation: an [`Observer`] sees each object
//! when it has been read, while its place in the document is still known.

use super::{Reader, Segment};
use crate::model::{
    Issue, Rule, Severity,
    definition::{ElementDef, TypeDef, TypeRef},
    object::Object,
};

/// Looks at each object of a document when it has been read to its end:
/// children before their parents, the resource of the document last.
pub trait Observer {
    /// An object and where it is.
    fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>);
}

/// Where an object is, and where to report what is wrong with it.
#[derive(Debug)]
pub struct At<'r, 'a> {
    reader: &'r mut Reader<'a>,
    offset: usize,
    complete: bool,
}

impl<'r, 'a> At<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, offset: usize, complete: bool) -> Self {
        Self {
            reader,
            offset,
            complete,
        }
    }

    /// The document as text.
    pub fn source(&self) -> &'a str {
        self.reader.source
    }

    /// Offset of the `{` of the object.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether every value of its elements could be kept; if not, rules about
    /// what is absent would report what an earlier issue has said already.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether it is the resource (or datatype) of the document itself.
    pub fn is_root(&self) -> bool {
        self.reader.path.len() == 1
    }

    /// The definition of the resource (or datatype) of the document itself.
    pub fn root(&self) -> Option<&'static TypeDef> {
        self.reader.path.first().map(|segment| segment.parent)
    }

    /// The element that the object is a value of; `None` at the root.
    pub fn element(&self) -> Option<&'static ElementDef> {
        self.reader.path.last()?.element
    }

    /// The type among those of the element that the object has; `None` at the root.
    pub fn type_ref(&self) -> Option<&'static TypeRef> {
        let segment = self.reader.path.last()?;
        segment.element?.types.get(usize::from(segment.variant))
    }

    /// The type that the object around this one has as the value of its own
    /// element: of the extension of a primitive that of the primitive; `None`
    /// where the object around is the root.
    pub fn type_ref_around(&self) -> Option<&'static TypeRef> {
        let segment = self.reader.path.iter().rev().nth(1)?;
        segment.element?.types.get(usize::from(segment.variant))
    }

    /// The elements from the root to the object, each with the type that has it,
    /// and the index of the value in a list.
    pub fn path(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&'static TypeDef, &'static ElementDef, Option<usize>)> + '_
    {
        self.reader.path.iter().filter_map(|segment| {
            let index = segment.index.map(|index| index as usize);
            Some((segment.parent, segment.element?, index))
        })
    }

    /// Its FHIRPath: `Bundle.entry[1].resource.code`.
    pub fn expression(&self) -> String {
        self.reader.expression()
    }

    /// Reports an issue of the object itself.
    pub fn report(&mut self, rule: Rule, severity: Severity, expected: String, found: String) {
        let offset = self.offset;
        self.reader
            .push_issue(rule, severity, offset, expected, found);
    }

    /// Reports an issue of something inside the object, whose offset is known.
    pub fn report_at(
        &mut self,
        below: &str,
        offset: usize,
        rule: Rule,
        severity: Severity,
        expected: String,
        found: String,
    ) {
        let expression = format!("{}.{below}", self.reader.expression());
        self.reader.keep(Issue {
            rule,
            severity,
            expression,
            offset,
            line: 0,
            column: 0,
            expected,
            found,
        });
    }

    /// Reports an issue of something inside the object: `below` is the rest of
    /// its FHIRPath, `code.coding[0].system`. Looks for its place in the
    /// document, which takes time: not for what is valid. Where there are very
    /// many issues, the last ones get the offset of the object.
    pub fn report_below(
        &mut self,
        below: &str,
        rule: Rule,
        severity: Severity,
        expected: String,
        found: String,
    ) {
        let mut offset = self.offset;
        if self.reader.search > 0 {
            let end;
            (offset, end) = super::locate::offset(self.reader.source, self.offset, below);
            let passed = end.saturating_sub(self.offset).max(1);
            self.reader.search = self.reader.search.saturating_sub(passed);
        }
        self.report_at(below, offset, rule, severity, expected, found);
    }
}

impl<'a> Reader<'a> {
    /// Shows an object to the observer, if there is one.
    #[inline]
    pub(super) fn observe(&mut self, object: &dyn Object, offset: usize, complete: bool) {
        if let Some(observer) = self.observer.take() {
            observer.object(object, &mut At::new(self, offset, complete));
            self.observer = Some(observer);
        }
    }
}

impl Segment {
    /// The step from a type to one of its elements.
    pub(super) fn element(
        parent: &'static TypeDef,
        element: &'static ElementDef,
        variant: u16,
    ) -> Self {
        Self {
            parent,
            element: Some(element),
            variant,
            index: None,
        }
    }

    /// The root of a document.
    pub(super) fn root(definition: &'static TypeDef) -> Self {
        Self {
            parent: definition,
            element: None,
            variant: 0,
            index: None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.element
            .map_or(self.parent.name, |element| element.name)
    }
}
