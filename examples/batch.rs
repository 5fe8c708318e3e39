//! Many questions on one context: `cargo run --release --example batch`.

use bertqa::QuestionAnswerer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = "東京タワーは港区にある高さ333メートルの電波塔で、1958年に完成した。";
    let questions = [("東京タワーの高さは?", context), ("いつ完成しましたか。", context), (" ", context)];
    let answerer = QuestionAnswerer::builder().build()?;
    for (question, answers) in questions.iter().zip(answerer.answer_all(&questions)) {
        match answers {
            Ok(answers) => println!("{} {}", question.0, answers[0].text),
            Err(error) => println!("{:?} has no answer: {error}", question.0),
        }
    }
    Ok(())
}
