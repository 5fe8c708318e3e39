//! Questions that keep coming, each with a tag: `cargo run --release --example stream`.

use bertqa::QuestionAnswerer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answerer = QuestionAnswerer::builder().build()?;
    let rows =
        (1900..1910).map(|year| (year, ("When was the bridge built?", format!("The bridge was built in {year}."))));
    for (year, answers) in answerer.answer_tagged(rows) {
        println!("{year}: {}", answers?[0].text);
    }
    Ok(())
}
