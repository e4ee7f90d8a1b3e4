// Links, keys, and what the address holds.
(() => {
  const show = (fields) => {
    const hash = new URLSearchParams(fields).toString();
    history.replaceState(null, "", location.pathname + location.search + (hash ? `#${hash}` : ""));
    // A page on huggingface.co that holds this one shows the same address.
    if (window.parent !== window) window.parent.postMessage({ hash }, "https://huggingface.co");
  };
  const shown = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

  window.odzera = {
    // What the address holds, as JSON; after the `#`, and for links made by hand after the `?` too.
    address: () => JSON.stringify({ ...Object.fromEntries(new URLSearchParams(location.search)), ...shown() }),

    // Put a question into the address: its texts, and what differs from how the page opens.
    // `counts` holds how many models there are on each data set, the one shown first in front.
    keep: (tab, columns, counts, asked) => {
      const [data, models, before] = asked.slice(columns.length);
      const fields = { tab, ...Object.fromEntries(columns.map((name, place) => [name, asked[place] || ""])) };
      const sets = Object.keys(counts);
      if (data && data !== sets[0]) fields.data = data;
      if (models && models.length < (counts[data || sets[0]] || 0)) fields.models = models.join(",");
      if (before) fields.before = "1";
      show(fields);
      return asked;
    },

    // The other way round, and asked anew where there is something to ask.
    swap: ([premise, hypothesis]) => {
      if (premise && hypothesis) setTimeout(() => document.querySelector("#nli-ask").click(), 60);
      return [hypothesis, premise];
    },

    // Copy the address, and say so for a moment.
    copy: ([done, before]) => {
      const button = document.activeElement;
      navigator.clipboard.writeText(location.href).then(
        () => {
          button.textContent = done;
          setTimeout(() => (button.textContent = before), 1600);
        },
        () => window.prompt(before, location.href),
      );
      return [before];
    },
  };

  // The tab that is looked at, where the address doesn't hold a question of it already.
  document.addEventListener("click", (event) => {
    if (!event.target.closest || !event.target.closest(".tab-wrapper")) return;
    setTimeout(() => {
      const chosen = document.querySelector('.tab-wrapper [role=tab][aria-selected="true"]');
      const tab = chosen && chosen.dataset.tabId;
      if (tab && (shown().tab || "slang") !== tab) show(tab === "slang" ? {} : { tab });
    }, 50);
  });

  // Ctrl+Enter, or Command+Enter, asks.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const buttons = [...document.querySelectorAll("button.primary")].filter((one) => one.offsetParent && !one.disabled);
    if (!buttons.length) return;
    event.preventDefault();
    // What was typed reaches Gradio when its field has told it so.
    event.target.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => buttons[0].click(), 0);
  });

  // The same question in another language.
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest(".oz-languages a");
    if (link) link.hash = location.hash;
  });
})();
