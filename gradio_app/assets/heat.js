// The word under the pointer is marked in every row, so that one sees what each model makes of it.
document.addEventListener("pointerover", (event) => {
  const over = event.target instanceof Element ? event.target.closest(".oz-w[data-w]") : null;
  const heat = over && over.closest(".oz-heat");
  for (const word of document.querySelectorAll(".oz-w.oz-same")) {
    if (!heat || !heat.contains(word) || word.dataset.w !== over.dataset.w) word.classList.remove("oz-same");
  }
  if (!heat) return;
  for (const word of heat.querySelectorAll(`.oz-w[data-w="${over.dataset.w}"]`)) word.classList.add("oz-same");
});
