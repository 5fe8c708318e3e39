use std::fmt;

/// The dictionaries that models are trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPA's.
    Ipadic,
    /// UniDic 2.1.2, for Python.
    UnidicLite,
    /// UniDic 3.
    Unidic,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Ipadic, Self::UnidicLite, Self::Unidic];

    /// The one of that name.
    pub(in super::super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As tokenizer_config.json and the packages of Python have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipadic => "ipadic",
            Self::UnidicLite => "unidic_lite",
            Self::Unidic => "unidic",
        }
    }

    /// What its folder is called where systems have dictionaries, the one in UTF-8 first.
    pub(super) fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Ipadic => &["ipadic-utf8", "ipadic"],
            Self::UnidicLite => &["unidic-lite", "unidic_lite"],
            Self::Unidic => &["unidic"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
