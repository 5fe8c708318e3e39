//! Objects in which options of an answer stand beside other fields.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::qa::RequestOptions;

/// The fields of an object that are no options.
pub(super) trait OwnFields: Default {
    /// Reads the field's value, if it is one of these.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

impl OwnFields for () {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }
}

/// An object with options and other fields. What is neither is ignored: clients send their own settings along.
///
/// serde's `flatten` would do, but it reads no numbers where serde_json keeps them as they are written.
#[derive(Debug, Clone, Default)]
pub(super) struct WithOptions<F> {
    pub own: F,
    pub options: RequestOptions,
}

impl<F: OwnFields> WithOptions<F> {
    pub(super) fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        let mut own = F::default();
        let options = RequestOptions::deserialize(Object { own: &mut own, map })?;
        Ok(Self { own, options })
    }
}

impl<'de, F: OwnFields> Deserialize<'de> for WithOptions<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<F>(PhantomData<F>);

        impl<'de, F: OwnFields> Visitor<'de> for Fields<F> {
            type Value = WithOptions<F>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                WithOptions::from_map(map)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// An object as the struct that is read from it sees it: with that struct's fields only.
struct Object<'a, F, A> {
    own: &'a mut F,
    map: A,
}

impl<'de, F: OwnFields, A: MapAccess<'de>> Deserializer<'de> for Object<'_, F, A> {
    type Error = A::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Options { own: self.own, map: self.map, names })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.map)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The fields called `names`, while all others are put aside.
struct Options<'a, F, A> {
    own: &'a mut F,
    map: A,
    names: &'static [&'static str],
}

impl<'de, F: OwnFields, A: MapAccess<'de>> MapAccess<'de> for Options<'_, F, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            if self.own.read(&name, &mut self.map)? {
                continue;
            }
            if self.names.contains(&name.as_str()) {
                return seed.deserialize(StringDeserializer::new(name)).map(Some);
            }
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
