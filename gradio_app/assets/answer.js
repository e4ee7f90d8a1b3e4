// The answer panel's slider: shows what was measured at so many examples, without asking the server.
(() => {
  const show = (panel, place) => {
    for (const one of panel.querySelectorAll(".oz-state")) one.hidden = one.dataset.place !== place;
    panel.querySelector(".oz-back").hidden = place === "table";
  };
  document.addEventListener("input", (event) => {
    const slider = event.target;
    const panel = slider.closest && slider.closest(".oz-answer");
    if (!panel || slider.type !== "range") return;
    const at = Number(slider.value);
    const said = slider.dataset.said.split("|")[at];
    panel.querySelector("output").textContent = said;
    slider.setAttribute("aria-valuetext", said);
    show(panel, slider.dataset.places.split(" ")[at]);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".oz-answer .oz-back");
    if (!button) return;
    const panel = button.closest(".oz-answer");
    show(panel, "table");
    panel.querySelector("input").focus();
  });
})();
