//! Lists of resources: one bounded part of a Bundle, and the cursor to the next.

use super::{
    OnInvalid,
    arguments::View,
    cursor::{Cursors, PageSource, Position},
    exchange::{self, Document},
    failure::ToolError,
    issues,
    json::Json,
    reply::{BUDGET, Reply},
    view::{self, Omissions},
};
use crate::{client::interaction::Parameter, model::Issue};

/// Parameters that do not select: servers may leave them out of the self link.
const NOT_SELECTING: [&str; 6] = [
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_contained",
    "_containedType",
];

/// The shape of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Ours: resources in the default view.
    Default,
    /// The server's Bundle.
    RawBundle,
    /// `{"entry": [resource, …]}`, as `read` has always given Bundles.
    RawEntries,
}

impl Form {
    /// The form of a search.
    pub(crate) fn of_search(view: View) -> Self {
        match view {
            View::Default => Self::Default,
            View::Raw => Self::RawBundle,
        }
    }

    /// The form of an operation that gives a Bundle.
    pub(crate) fn of_read(view: View) -> Self {
        match view {
            View::Default => Self::Default,
            View::Raw => Self::RawEntries,
        }
    }
}

/// A part of a list on its way to an answer.
#[derive(Debug)]
pub(crate) struct List {
    form: Form,
    bundle: Json,
    position: Position,
    entries: Vec<Json>,
    omissions: Omissions,
    warnings: Vec<String>,
    /// Issues of entries that were passed on in a raw form, which has no place
    /// for them.
    flagged: Vec<Json>,
    withheld: usize,
    matches: usize,
    included: usize,
    /// Index of the first entry of this page that did not fit.
    rest: Option<usize>,
}

impl List {
    /// Judges the entries of a page from the position on, until the budget is
    /// spent; at least one.
    ///
    /// # Errors
    /// [`ToolError::Withheld`] when the Bundle itself has errors of shape.
    pub(crate) fn new(
        mut document: Document,
        position: Position,
        form: Form,
        on_invalid: OnInvalid,
    ) -> Result<Self, ToolError> {
        let mut errors = document.take_entry_errors();
        // The Bundle is but the envelope of the list: only where it may have been
        // misread does it take its entries, each judged for itself, with it.
        let misread = document
            .errors
            .iter()
            .any(|issue| issue.rule.is_about_shape());
        if misread && exchange::is_withheld(&document.errors, on_invalid) {
            return Err(ToolError::Withheld {
                resource_type: "Bundle".to_owned(),
                issues: document.errors,
            });
        }
        let mut list = Self {
            form,
            entries: Vec::new(),
            omissions: Omissions::default(),
            warnings: Vec::new(),
            flagged: Vec::new(),
            withheld: 0,
            matches: 0,
            included: 0,
            rest: None,
            bundle: document.json,
            position,
        };
        if let Some(narrowing) = &document.narrowing {
            list.warn(narrowing.warning());
        }
        if !document.errors.is_empty() {
            let listed = exchange::listed(&document.errors).to_text();
            list.warn(format!("The Bundle itself breaks rules of FHIR: {listed}"));
        }
        let entries = match list.bundle.remove("entry") {
            Some(Json::Array(entries)) => entries,
            _ => Vec::new(),
        };
        list.check_total(entries.len());
        let mut length = 0;
        for (index, entry) in entries.into_iter().enumerate().skip(list.position.offset) {
            let errors = errors.remove(&index).unwrap_or_default();
            let judged = list.judge(entry, &errors, on_invalid);
            length += judged.length();
            if length > BUDGET && !list.entries.is_empty() {
                list.rest = Some(index);
                break;
            }
            list.take(judged);
        }
        Ok(list)
    }

    /// Says something about the list to the model.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Whether the server says how many matches there are.
    pub(crate) fn total(&self) -> Option<u64> {
        let own = match self.bundle.get("total") {
            Some(Json::Number(total)) => total.parse().ok(),
            _ => None,
        };
        own.or(self.position.total).or_else(|| {
            let given = (self.position.given + self.matches) as u64;
            (self.is_complete() && self.position.resource_type.is_some()).then_some(given)
        })
    }

    /// Adds what was found out about the number of matches.
    pub(crate) fn set_total(&mut self, total: u64) {
        self.position.total = Some(total);
    }

    /// Whether nothing follows behind this part.
    pub(crate) fn is_complete(&self) -> bool {
        self.rest.is_none() && self.link("next").is_none()
    }

    /// Whether there is no entry, here and before.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.position.given == 0
    }

    /// Compares what was sent with what the server says it used.
    pub(crate) fn check_self_link(&mut self, sent: &[Parameter]) {
        let Some(link) = self.link("self") else {
            return;
        };
        let query = link.split_once('?').map_or("", |(_, query)| query);
        let used: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, _)| code(&name).to_owned())
            .collect();
        let mut ignored: Vec<&str> = sent
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !NOT_SELECTING.contains(name) && !used.iter().any(|u| u == code(name)))
            .collect();
        ignored.dedup();
        if ignored.contains(&"_sort") {
            self.position.sorted = None;
        }
        if !ignored.is_empty() {
            self.warn(format!(
                "The server's self link does not name {}: it may have ignored that, and the answer may hold more than was asked for",
                ignored.join(", ")
            ));
        }
    }

    /// The answer.
    pub(crate) fn into_reply(mut self, cursors: &Cursors<'_>) -> Reply {
        let summary = self.summary(cursors);
        let entries = Json::Array(std::mem::take(&mut self.entries));
        match self.form {
            Form::Default | Form::RawEntries => {
                let mut answer = summary;
                if self.form == Form::RawEntries
                    && let Some(decimals) = entries_decimals(&entries)
                {
                    answer.set("exactDecimals", decimals);
                }
                answer.set("entry", entries);
                let raw: &[&str] = match self.form {
                    Form::RawEntries => &["entry"],
                    _ => &[],
                };
                Reply::new(answer).raw(raw)
            }
            Form::RawBundle => {
                let mut bundle = self.bundle;
                if !entries.items().is_empty() {
                    bundle.set("entry", entries);
                }
                let mut structured = summary.clone();
                if let Some(decimals) = bundle.exact_decimals() {
                    structured.set("exactDecimals", decimals);
                }
                structured.set("bundle", bundle.clone());
                Reply::with_texts(structured, vec![bundle, summary]).raw(&["bundle"])
            }
        }
    }

    /// All but the entries.
    fn summary(&mut self, cursors: &Cursors<'_>) -> Json {
        let number = |number: usize| Json::Number(number.to_string());
        let complete = self.is_complete();
        let mut summary = Json::Object(Vec::new());
        if let Some(total) = self.total() {
            summary.set("total", Json::Number(total.to_string()));
        }
        summary.set("returned", number(self.matches));
        if self.included > 0 {
            summary.set("included", number(self.included));
        }
        summary.set("complete", Json::Bool(complete));
        if self.position.resource_type.is_some() {
            let sorted = self.position.sorted.as_deref();
            summary.set("sorted", Json::text(sorted.unwrap_or("unspecified")));
        }
        summary.set("withheld", number(self.withheld));
        if !complete {
            self.warn(self.incomplete());
            summary.set("cursor", Json::String(cursors.seal(&self.next())));
        }
        if !self.warnings.is_empty() {
            let warnings = self.warnings.drain(..).map(Json::String);
            summary.set("warnings", Json::Array(warnings.collect()));
        }
        if !self.omissions.is_empty() {
            summary.set("omitted", self.omissions.listed());
        }
        if !self.flagged.is_empty() {
            summary.set("issues", Json::Array(std::mem::take(&mut self.flagged)));
        }
        summary
    }

    fn incomplete(&self) -> String {
        let order = match (&self.position.resource_type, &self.position.sorted) {
            (Some(_), None) => ", in no particular order: first and last here mean nothing",
            _ => "",
        };
        format!("More follow{order}. Go on with cursor, or narrow the search")
    }

    /// Where the next answer goes on.
    fn next(&self) -> Position {
        let (page, offset) = match (self.rest, self.link("next")) {
            (Some(index), _) => (self.position.page.clone(), index),
            (None, Some(link)) => (PageSource::Next(link.to_owned()), 0),
            (None, None) => (self.position.page.clone(), 0),
        };
        Position {
            page,
            offset,
            given: self.position.given + self.matches,
            total: self.total(),
            sorted: self.position.sorted.clone(),
            resource_type: self.position.resource_type.clone(),
            asked: self.position.asked,
        }
    }

    /// A server that ends a list early must not look as if that were all.
    fn check_total(&mut self, on_page: usize) {
        let total = self.total();
        let is_last = self.link("next").is_none() && self.position.offset == 0;
        if let Some(total) = total
            && is_last
            && on_page > 0
            && matches!(self.position.page, PageSource::Search(..))
            && (on_page as u64) < total
        {
            self.warn(format!(
                "The server says there are {total} but gave {on_page} and no link to more"
            ));
        }
    }

    fn link(&self, relation: &str) -> Option<&str> {
        let links = self.bundle.list("link").iter();
        let mut links = links.filter(|link| link.str("relation") == Some(relation));
        links.next().and_then(|link| link.str("url"))
    }

    fn judge(&self, mut entry: Json, errors: &[Issue], on_invalid: OnInvalid) -> Judged {
        let resource = entry.get("resource");
        let is_outcome = self.position.resource_type.is_some()
            && resource.and_then(|r| r.str("resourceType")) == Some("OperationOutcome");
        let mode = entry.get("search").and_then(|search| search.str("mode"));
        let mode = match mode {
            Some("include") => Mode::Include,
            Some("outcome") => Mode::Outcome,
            None if is_outcome => Mode::Outcome,
            _ => Mode::Match,
        };
        let mut judged = Judged {
            mode,
            entry: Json::Null,
            omissions: Omissions::default(),
            issues: None,
            withheld: false,
        };
        let resource = entry.remove("resource");
        let unexpected = mode == Mode::Match && !self.is_expected(resource.as_ref());
        let shown = resource.map(|resource| {
            judged.withheld = unexpected || exchange::is_withheld(errors, on_invalid);
            match (judged.withheld, self.form) {
                (true, Form::Default) => exchange::stand_in(&resource, errors),
                (true, _) => exchange::raw_stand_in(&resource, errors),
                (false, Form::Default) => shortened(resource, &mut judged.omissions),
                (false, _) if resource.text_len() > BUDGET => too_long(&resource),
                (false, _) => resource,
            }
        });
        if !judged.withheld && !errors.is_empty() {
            judged.issues = Some(exchange::listed(errors));
        }
        judged.entry = self.entry(entry, shown);
        judged
    }

    /// A search for Patients is answered with Patients.
    fn is_expected(&self, resource: Option<&Json>) -> bool {
        match (resource, &self.position.resource_type) {
            (Some(resource), Some(expected)) => resource.str("resourceType") == Some(expected),
            _ => true,
        }
    }

    fn entry(&self, mut entry: Json, resource: Option<Json>) -> Json {
        let Some(resource) = resource else {
            return entry;
        };
        match self.form {
            Form::RawEntries => return resource,
            Form::RawBundle => entry.set("resource", resource),
            Form::Default => {
                let full_url = entry.remove("fullUrl");
                entry.remove("link");
                if entry.get("search").and_then(|search| search.str("mode")) != Some("include") {
                    entry.remove("search");
                }
                let decimals = resource.exact_decimals();
                // The resource comes first, and its URL only where it has no id.
                let mut shown = Json::Object(Vec::new());
                if let Some(url) = full_url.filter(|_| resource.get("id").is_none()) {
                    shown.set("fullUrl", url);
                }
                shown.set("resource", resource);
                if let Json::Object(members) = entry {
                    members
                        .into_iter()
                        .for_each(|(name, value)| shown.set(&name, value));
                }
                if let Some(decimals) = decimals {
                    shown.set("exactDecimals", decimals);
                }
                entry = shown;
            }
        }
        entry
    }

    fn take(&mut self, mut judged: Judged) {
        if let Some(issues) = judged.issues {
            if self.form == Form::Default {
                judged.entry.set("issues", issues);
            } else {
                let index = Json::Number(self.entries.len().to_string());
                self.flagged
                    .push(Json::object([("entry", index), ("issues", issues)]));
            }
        }
        self.withheld += usize::from(judged.withheld);
        match judged.mode {
            Mode::Match => self.matches += 1,
            Mode::Include => self.included += 1,
            Mode::Outcome if self.form == Form::Default => {
                let outcome = judged.entry.get("resource").map(Json::to_text);
                let outcome = outcome.map(|outcome| issues::shortened(&outcome));
                self.warn(format!(
                    "The server remarks: {}",
                    outcome.unwrap_or_default()
                ));
                return;
            }
            Mode::Outcome => {}
        }
        self.omissions.append(judged.omissions);
        self.entries.push(judged.entry);
    }
}

/// Why an entry is in a Bundle
/// (<https://hl7.org/fhir/R4/valueset-search-entry-mode.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Match,
    Include,
    Outcome,
}

/// An entry as it would be shown.
#[derive(Debug)]
struct Judged {
    mode: Mode,
    entry: Json,
    omissions: Omissions,
    /// Of a resource that is passed on all the same.
    issues: Option<Json>,
    withheld: bool,
}

impl Judged {
    fn length(&self) -> usize {
        let decimals = self.entry.exact_decimals();
        let beside = decimals.iter().chain(&self.issues).map(Json::text_len);
        self.entry.text_len() + 1 + beside.sum::<usize>()
    }
}

/// A resource in the default view, cut to the budget.
pub(crate) fn shortened(mut resource: Json, omissions: &mut Omissions) -> Json {
    view::reduce(&mut resource, omissions);
    view::shorten(&mut resource, BUDGET, omissions);
    if resource.text_len() > BUDGET {
        return too_long(&resource);
    }
    resource
}

/// What stands for a resource that cannot be shown in one answer.
fn too_long(resource: &Json) -> Json {
    let name = |name| resource.str(name).unwrap_or("?");
    let error = ToolError::TooLong {
        length: resource.text_len(),
        limit: BUDGET,
        advice: "read it alone with searchParam {\"_elements\":…}",
    };
    let mut outcome = error.outcome();
    outcome.set(
        "id",
        Json::text(format!("{}-{}", name("resourceType"), name("id"))),
    );
    outcome
}

fn entries_decimals(entries: &Json) -> Option<Json> {
    Json::object([("entry", entries.clone())]).exact_decimals()
}

/// Name of a parameter without modifier and chain.
fn code(name: &str) -> &str {
    name.split([':', '.']).next().unwrap_or(name)
}
