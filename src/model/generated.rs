//! The generated types, and the macros by which they get their behaviour.

/// What the generated files are written against.
mod generated_prelude {
    pub(super) use super::super::{
        definition::{Definitions, TypeDef},
        primitive::*,
        slot::ChoiceType,
        terminology::Paragraphs,
    };
    pub(super) use super::fhir::*;
}

/// The behaviour of a struct: reflection, `Clone`, `Default`, `Debug`, equality
/// and serde.
macro_rules! object {
    ($name:ident = $definition:literal { $($index:literal $field:ident)* ; $last:ident }) => {
        impl $crate::model::object::Object for $name {
            fn definition(&self) -> &'static TypeDef {
                DEFINITIONS.at($definition)
            }

            fn as_any(&self) -> &dyn std::any::Any {
                self
            }

            fn slot(&self, element: usize) -> &dyn $crate::model::object::Slot {
                match element {
                    $($index => &self.$field,)*
                    _ => &self.$last,
                }
            }

            fn slot_mut(&mut self, element: usize) -> &mut dyn $crate::model::object::Slot {
                match element {
                    $($index => &mut self.$field,)*
                    _ => &mut self.$last,
                }
            }
        }

        // `inline`, so that it is compiled only where it is used.
        impl Clone for $name {
            #[inline]
            fn clone(&self) -> Self {
                Self {
                    $($field: self.$field.clone(),)*
                    $last: self.$last.clone(),
                }
            }
        }

        // Not inlined into each other: that would take long to compile.
        impl Default for $name {
            #[inline(never)]
            fn default() -> Self {
                Self {
                    $($field: Default::default(),)*
                    $last: Default::default(),
                }
            }
        }

        $crate::model::json::json_methods!($name);
    };
}

/// The behaviour of a choice enum.
macro_rules! choice {
    ($name:ident { $($index:literal $variant:ident)* }) => {
        impl ChoiceType for $name {
            fn empty(variant: usize) -> Option<Self> {
                match variant {
                    $($index => Some(Self::$variant(Default::default())),)*
                    _ => None,
                }
            }

            fn variant(&self) -> usize {
                match self { $(Self::$variant(_) => $index,)* }
            }

            fn value(&self) -> &dyn $crate::model::object::Slot {
                match self { $(Self::$variant(value) => value,)* }
            }

            fn value_mut(&mut self) -> &mut dyn $crate::model::object::Slot {
                match self { $(Self::$variant(value) => value,)* }
            }
        }

        $crate::model::slot::choice_slots!($name);
    };
}

/// The behaviour of an enum of codes.
macro_rules! code_enum {
    ($name:ident = $table:ident { $($variant:ident)* }) => {
        impl CodeType for $name {
            const TABLE: &'static CodeTable = &$table;
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// The enum of all resources, from their names in alphabetical order.
macro_rules! resources {
    ($($name:ident)*) => {
        /// Any resource.
        #[derive(Clone)]
        pub enum Resource {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name(Box<$name>),
            )*
        }

        impl Resource {
            /// The names of all resource types, in alphabetical order.
            pub const TYPES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// A resource of this type without content.
            pub fn empty(resource_type: &str) -> Option<Self> {
                const EMPTY: &[fn() -> Resource] = &[$(|| Resource::$name(Box::default()),)*];
                let index = Self::TYPES.binary_search(&resource_type).ok()?;
                EMPTY.get(index).map(|empty| empty())
            }

            /// The resource for code that works on any type.
            pub fn as_object(&self) -> &dyn $crate::model::object::Object {
                match self { $(Self::$name(resource) => resource.as_ref(),)* }
            }

            /// The resource for code that works on any type.
            pub fn as_object_mut(&mut self) -> &mut dyn $crate::model::object::Object {
                match self { $(Self::$name(resource) => resource.as_mut(),)* }
            }
        }

        $(
            impl From<$name> for Resource {
                fn from(resource: $name) -> Self {
                    Self::$name(Box::new(resource))
                }
            }
        )*
    };
}

#[allow(clippy::all, rustdoc::all, reason = "generated code")]
pub(super) mod fhir {
    include!(concat!(env!("OUT_DIR"), "/fhir/mod.rs"));
}

/// All definitions.
pub(super) fn definitions() -> &'static super::definition::Definitions {
    &fhir::DEFINITIONS
}

/// All code systems of the specification.
pub(super) fn code_systems() -> &'static super::terminology::Paragraphs {
    &fhir::CODE_SYSTEMS
}

/// All value sets of the specification.
pub(super) fn value_sets() -> &'static super::terminology::Paragraphs {
    &fhir::VALUE_SETS
}

/// All search parameters, a line each, sorted by code.
pub(super) const SEARCH_PARAMETERS: &str =
    include_str!(concat!(env!("OUT_DIR"), "/fhir/search-parameters.txt"));
