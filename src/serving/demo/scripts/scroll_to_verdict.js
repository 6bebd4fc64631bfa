() => {
  // on a phone the verdict would appear below what is seen
  const verdict = document.getElementById("check-verdict");
  const side_by_side = matchMedia("(min-width: 768px)").matches;
  if (!side_by_side) verdict.scrollIntoView({block: "start"});
}
