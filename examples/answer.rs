//! One question: `cargo run --release --example answer`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answerer = bertqa::QuestionAnswerer::builder().build()?;
    let answers = answerer.answer("Who invented the telephone?", "It was invented by Alexander Graham Bell.")?;
    println!("{} ({:.2})", answers[0].text, answers[0].score);
    Ok(())
}
