//! Mutations of JSON that leave it JSON: of random bytes hardly any get behind the parser.

use fastrand::Rng;
use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// Changes a value of a JSON text, or of a line of JSON Lines, behind the first `lines` lines; now and then, and where
/// nothing is JSON, bytes instead. `bytes` has room for what it may become; returns the new length.
pub fn mutate_json(bytes: &mut [u8], size: usize, most: usize, seed: u32, lines: usize) -> usize {
    let mut random = Rng::with_seed(u64::from(seed));
    if random.u8(..) < 80 {
        return fuzzer_mutate(bytes, size, most);
    }
    match changed(&bytes[..size], lines, &mut random) {
        Some(new) if new.len() <= most => {
            bytes[..new.len()].copy_from_slice(&new);
            new.len()
        }
        _ => fuzzer_mutate(bytes, size, most),
    }
}

fn changed(bytes: &[u8], lines: usize, random: &mut Rng) -> Option<Vec<u8>> {
    let start = match lines {
        0 => 0,
        lines => bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(lines - 1)?.0 + 1,
    };
    let (head, text) = bytes.split_at(start);
    if let Ok(mut value) = serde_json::from_slice(text) {
        change(&mut value, random);
        return Some([head, value.to_string().as_bytes()].concat());
    }
    let mut parts: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let part = random.choice(parts.iter_mut())?;
    let mut value = serde_json::from_slice(part).ok()?;
    change(&mut value, random);
    *part = value.to_string().into_bytes();
    Some([head, &parts.join(&b'\n')].concat())
}

/// Changes something in a value.
fn change(value: &mut Value, random: &mut Rng) {
    let nodes = count(value);
    let other = node(value, random.usize(..nodes)).clone();
    let node = node(value, random.usize(..nodes));
    match random.u8(..8) {
        0 | 1 => *node = hostile(random),
        2 => *node = other,
        3 => *node = Value::Array(vec![node.take(); random.usize(..4)]),
        _ => match node {
            Value::Array(elements) if !elements.is_empty() => {
                let place = random.usize(..elements.len());
                let element = if random.bool() { elements.remove(place) } else { other };
                if random.bool() {
                    elements.push(element);
                }
            }
            Value::Object(fields) if !fields.is_empty() => {
                let name = random.choice(fields.keys()).cloned().unwrap_or_default();
                let value = if random.bool() { fields.remove(&name).unwrap_or_default() } else { other };
                if random.bool() {
                    fields.insert(random.choice(fields.keys()).cloned().unwrap_or_default(), value);
                }
            }
            Value::String(text) => match random.u8(..3) {
                0 => *text = text.repeat(random.usize(..5)),
                1 => *text = text.chars().rev().collect(),
                _ => text.push_str(random.choice(TEXTS).unwrap_or(&"")),
            },
            Value::Number(number) => {
                let by = *random.choice(&[-1.0, 1.0, 2.0, -0.5, 1e9]).unwrap_or(&0.0);
                let number = number.as_f64().unwrap_or_default();
                let new = if random.bool() { number + by } else { number * by };
                *node = if new.fract() == 0.0 && new.abs() < 1e15 { json!(new as i64) } else { json!(new) };
            }
            Value::Bool(flag) => *flag = !*flag,
            node => *node = hostile(random),
        },
    }
}

/// No letters, marks that join others, what is taken for a control, the end of a token.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\0",
    "\u{feff}",
    "\u{301}",
    "\u{2581}",
    "##",
    "[SEP]",
    "</s>",
    "\u{1f469}\u{200d}",
    "\n",
    "\"",
    "1e999",
];

fn hostile(random: &mut Rng) -> Value {
    match random.u8(..5) {
        0 => json!(random.choice(TEXTS).unwrap_or(&"")),
        1 => random
            .choice([Value::Null, json!(true), json!([]), json!({}), json!([[]]), json!([null])])
            .unwrap_or_default(),
        2 => json!(random.choice([0.5, -0.0, 1e308, -1e-308, 1e18]).unwrap_or_default()),
        3 => json!(
            random.choice([i64::MIN, -2, -1, 0, 1, 2, 3, 255, 1 << 24, 1 << 31, 1 << 32, i64::MAX]).unwrap_or_default()
        ),
        _ => json!(u64::MAX),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// The value of this number, itself and what is in it counted in their order.
fn node(value: &mut Value, mut number: usize) -> &mut Value {
    if number == 0 {
        return value;
    }
    number -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(elements) => elements.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        let nodes = count(value);
        if number < nodes {
            return node(value, number);
        }
        number -= nodes;
    }
    unreachable!("there are as many")
}
