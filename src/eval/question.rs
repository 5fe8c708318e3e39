use serde::Serialize;

use super::normalize::is_japanese;

/// What a question asks for, by its question word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuestionType {
    What,
    Who,
    When,
    Where,
    Which,
    Why,
    How,
    HowMany,
    /// No question word, as in 「最大の湖は?」, or none that is known.
    Other,
}

impl QuestionType {
    pub(crate) fn of(question: &str) -> Self {
        if is_japanese(question) { japanese(question) } else { english(question) }
    }

    /// In English, for terminals.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::What => "what",
            Self::Who => "who",
            Self::When => "when",
            Self::Where => "where",
            Self::Which => "which",
            Self::Why => "why",
            Self::How => "how",
            Self::HowMany => "how many",
            Self::Other => "other",
        }
    }

    /// A Japanese question word that stands for it; empty for none.
    pub(crate) fn japanese(self) -> &'static str {
        match self {
            Self::What => "何",
            Self::Who => "誰",
            Self::When => "いつ",
            Self::Where => "どこ",
            Self::Which => "どの",
            Self::Why => "なぜ",
            Self::How => "どう",
            Self::HowMany => "いくつ",
            Self::Other => "",
        }
    }
}

/// Question words, the specific ones before those that they contain or stand beside.
const JAPANESE: &[(QuestionType, &[&str])] = &[
    (QuestionType::Why, &["なぜ", "何故", "どうして", "なんで"]),
    (
        QuestionType::HowMany,
        &["いくつ", "幾つ", "いくら", "どのくらい", "どのぐらい", "どれくらい", "どれぐらい", "どれほど", "どれだけ"],
    ),
    (QuestionType::Who, &["誰", "だれ", "どなた", "何者"]),
    (QuestionType::When, &["いつ"]),
    (QuestionType::Where, &["どこ", "何処"]),
    (QuestionType::How, &["どのように", "どうやって", "どういうふうに", "いかに", "どうなっ", "どうな"]),
    (QuestionType::What, &["どのような", "どんな", "どういう", "どういった"]),
    (QuestionType::Which, &["どの", "どちら", "どっち", "どれ", "いずれ"]),
];

/// What follows 何 where it asks for a time. A span of time (何年間, 何時間) is a number instead.
const TIMES: &[&str] = &["年", "月", "日", "時", "世紀", "曜"];

/// What follows 何 where it asks for a number.
const COUNTERS: &[&str] = &[
    "人",
    "名",
    "個",
    "回",
    "度",
    "枚",
    "本",
    "冊",
    "匹",
    "頭",
    "台",
    "隻",
    "歳",
    "才",
    "円",
    "ドル",
    "倍",
    "割",
    "%",
    "％",
    "パー",
    "メー",
    "キロ",
    "センチ",
    "ミリ",
    "トン",
    "グラム",
    "リット",
    "平方",
    "立方",
    "ヘク",
    "km",
    "cm",
    "mm",
    "kg",
    "m",
    "g",
    "点",
    "位",
    "番",
    "階",
    "種類",
    "種",
    "か所",
    "カ所",
    "ヶ所",
    "箇所",
    "か国",
    "カ国",
    "ヶ国",
    "か月",
    "ヶ月",
    "カ月",
    "週間",
    "分",
    "秒",
    "千",
    "万",
    "百",
    "億",
    "世帯",
    "戸",
    "軒",
    "両",
    "議席",
    "席",
    "条",
    "項目",
    "文字",
    "字",
    "行",
    "ページ",
    "話",
    "巻",
    "期",
    "次",
    "代",
    "校",
    "社",
    "件",
    "級",
    "等",
    "段",
    "目",
    "つ",
    "機",
    "羽",
    "体",
    "杯",
    "曲",
    "試合",
    "勝",
    "敗",
    "ゴール",
    "ha",
    "°",
];

fn japanese(question: &str) -> QuestionType {
    let has = |words: &&(QuestionType, &[&str])| words.1.iter().any(|word| question.contains(word));
    let by_word = JAPANESE.iter().find(has).map(|words| words.0);
    match by_word {
        Some(found) => found,
        None => after_nani(question).unwrap_or_else(|| {
            let has = |words: &[&str]| words.iter().any(|word| question.contains(word));
            if has(&["なに", "なん"]) {
                QuestionType::What
            } else if has(&["どう"]) {
                QuestionType::How
            } else {
                QuestionType::Other
            }
        }),
    }
}

/// The type of a question with 何, by what follows its last one.
fn after_nani(question: &str) -> Option<QuestionType> {
    let (_, after) = question.rsplit_once(['何', '幾'])?;
    let begins = |words: &[&str]| words.iter().find_map(|word| after.strip_prefix(word));
    Some(if let Some(rest) = begins(TIMES) {
        if rest.starts_with('間') { QuestionType::HowMany } else { QuestionType::When }
    } else if begins(COUNTERS).is_some() {
        QuestionType::HowMany
    } else {
        QuestionType::What
    })
}

/// The first question word counts.
fn english(question: &str) -> QuestionType {
    let question = question.to_lowercase();
    let mut words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        return match word {
            "what" => QuestionType::What,
            "who" | "whom" | "whose" => QuestionType::Who,
            "when" => QuestionType::When,
            "where" => QuestionType::Where,
            "which" => QuestionType::Which,
            "why" => QuestionType::Why,
            "how" => match words.next() {
                Some("many" | "much" | "long" | "old" | "far" | "tall" | "high" | "large" | "big" | "often") => {
                    QuestionType::HowMany
                }
                _ => QuestionType::How,
            },
            _ => continue,
        };
    }
    QuestionType::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_from_the_question_word() {
        use QuestionType::*;
        for (question, expected) in [
            ("グラハム・ベルはどこで生まれましたか?", Where),
            ("日本で最も長い川は何ですか?", What),
            ("琵琶湖は何県にあるか", What),
            ("これは何という鳥か。", What),
            ("誰が電話を発明したか", Who),
            ("いつ完成しましたか。", When),
            ("何年に完成しましたか。", When),
            ("1964年の何月何日に始まったか", When),
            ("何年間かかりましたか。", HowMany),
            ("何時間かかるか", HowMany),
            ("住民は何人ですか。", HowMany),
            ("富士山の高さは何メートルですか。", HowMany),
            ("いくつの島がありますか。", HowMany),
            ("どのくらいの広さですか。", HowMany),
            ("なぜ移転したのですか。", Why),
            ("どうして閉鎖されたか。", Why),
            ("どの川に注ぎますか。", Which),
            ("大きいのはどちらですか。", Which),
            ("どのように作られますか。", How),
            ("どのような花ですか。", What),
            ("日本で最大の湖は?", Other),
            ("What is it?", What),
            ("In which year was it built?", Which),
            ("Whose idea was it?", Who),
            ("How many people live there?", HowMany),
            ("How does it work?", How),
            ("To whom did she write when she was ill?", Who),
            ("Name the largest lake.", Other),
        ] {
            assert_eq!(QuestionType::of(question), expected, "{question}");
        }
    }
}
