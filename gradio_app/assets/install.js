// What is installed opens in the page's language, with the page's colour around it.
(() => {
  const code = (location.pathname.match(/\/(pl|ru)\/?$/) || [])[1] || "en";
  const put = (tag, key, attributes) => {
    const one = document.head.querySelector(key) || document.head.appendChild(document.createElement(tag));
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  };
  put("link", "link[rel=manifest]", { rel: "manifest", href: `./manifest.json?lang=${code}` });
  put("link", "link[rel=apple-touch-icon]", { rel: "apple-touch-icon", href: "./icons/icon-192.png" });
  put("meta", "meta[name=theme-color]", { name: "theme-color", content: "#0f766e" });
})();
