use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;

use crate::serve::answer::Row;
use crate::serve::app::App;
use crate::serve::body;
use crate::serve::error::{ApiError, InferenceErrors};
use crate::serve::observe::Rows;
use crate::serve::one_or_many::OneOrMany;
use crate::serve::parameters::Question;
use crate::serve::permit::RequestPermit;
use crate::serve::queue::Ask;

/// Answer a question, or a list of questions
///
/// A list gives a list, in its order; a row of it that cannot be answered has a null answer and an `error`.
#[utoipa::path(
    post,
    path = "/inferences",
    tag = "Answers",
    request_body(content = OneOrMany<Question>, content_type = "application/json"),
    responses((status = 200, description = "The answer, or the list of answers", body = OneOrMany<Row>), InferenceErrors),
    security((), ("key" = [])),
)]
pub(super) async fn inferences(
    State(app): State<App>,
    permit: RequestPermit,
    rows: Rows,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OneOrMany<Row>>, ApiError> {
    answer(&app, &permit, &rows, &headers, body).await
}

/// Answers a body of questions.
pub(super) async fn answer(
    app: &App,
    permit: &RequestPermit,
    counter: &Rows,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<OneOrMany<Row>>, ApiError> {
    let deadline = permit.deadline(app);
    let (questions, _memory) =
        body::json::<OneOrMany<Question>>(headers, body, &app.limits, &app.memory, deadline).await?;
    app.check_rows(questions.len())?;
    let is_list = questions.is_list();
    let (mut rows, mut others) = (Vec::with_capacity(questions.len()), Vec::with_capacity(questions.len()));
    for (place, question) in questions.into_vec().into_iter().enumerate() {
        let options = app.resolve(&question.options).map_err(|error| if is_list { error.at(place) } else { error })?;
        others.push((question.id, options.top_k));
        rows.push(app.example(question.question, question.context).map(|example| Ask { example, options }));
    }
    let answers = app.answer(rows, is_list, counter, deadline).await?;
    let rows = others.into_iter().zip(answers).map(|((id, top_k), answers)| Row::new(id, answers, top_k)).collect();
    Ok(Json(OneOrMany::new(rows, is_list)))
}
