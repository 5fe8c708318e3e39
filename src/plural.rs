/// The noun for `count` of it, to be written behind the number: `1 thread`, `2 threads`.
pub(crate) fn plural(count: impl TryInto<u64>, noun: &'static str) -> impl std::fmt::Display {
    let is_one = count.try_into().is_ok_and(|count| count == 1);
    std::fmt::from_fn(move |f| write!(f, "{noun}{}", if is_one { "" } else { "s" }))
}
