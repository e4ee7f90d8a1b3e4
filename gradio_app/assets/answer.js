// The answer panel's slider: shows what was measured at so many examples, without asking the server.
(() => {
  const show = (panel, place) => {
    for (const one of panel.querySelectorAll(".oz-state")) one.hidden = one.dataset.place !== place;
    panel.querySelector(".oz-back").hidden = place === "table";
  };
  const tell = (slider, said) => {
    slider.closest(".oz-answer").querySelector("output").textContent = said;
    slider.setAttribute("aria-valuetext", said);
  };
  const move = (slider) => {
    const at = Number(slider.value);
    tell(slider, slider.dataset.said.split("|")[at]);
    show(slider.closest(".oz-answer"), slider.dataset.places.split(" ")[at]);
  };
  const isSlider = (one) => one.matches && one.matches(".oz-answer input[type=range]");
  document.addEventListener("input", (event) => isSlider(event.target) && move(event.target));
  document.addEventListener("click", (event) => {
    // Pressed where it stands already, it has no new value to tell of.
    if (isSlider(event.target)) return move(event.target);
    const button = event.target.closest && event.target.closest(".oz-answer .oz-back");
    if (!button) return;
    const panel = button.closest(".oz-answer");
    const slider = panel.querySelector("input");
    show(panel, "table");
    tell(slider, slider.dataset.idle);
    slider.focus();
  });
})();
