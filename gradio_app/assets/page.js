// The page's own language, before Gradio asks the browser for it: its words follow the address.
(() => {
  const code = (location.pathname.match(/\/(pl|ru)\/?$/) || [])[1] || "en";
  document.documentElement.lang = code;
  for (const [name, value] of [["language", code], ["languages", [code]]]) {
    Object.defineProperty(navigator, name, { get: () => value, configurable: true });
  }
})();
