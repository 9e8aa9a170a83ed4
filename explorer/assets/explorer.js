// Copy buttons, relative times, and the live first page. Every page works without it.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const said = document.getElementById("said");

  const span = (seconds) => {
    const units = [[86400, "d"], [3600, "h"], [60, "min"]];
    const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "s"];
    return `${Math.floor(seconds / size).toLocaleString("en")} ${unit}`;
  };

  const tick = () => {
    const now = Math.floor(Date.now() / 1000);
    for (const time of document.querySelectorAll("time[data-unix]")) {
      const age = now - Number(time.dataset.unix);
      const text = age >= 0 ? `${span(age)} ago` : age > -5 ? "now" : `in ${span(-age)}`;
      if (time.textContent !== text) time.textContent = text;
    }
  };
  tick();
  setInterval(tick, 1000);

  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Pages served without TLS have no clipboard interface.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("not copied");
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button.copy");
    if (!button) return;
    try {
      await copy(button.dataset.copy);
      button.classList.add("done");
      said.textContent = "Copied";
      setTimeout(() => { button.classList.remove("done"); said.textContent = ""; }, 1500);
    } catch { said.textContent = "Copying failed"; }
  });

  const live = document.getElementById("live");
  if (!live) return;
  const events = new EventSource("/events");
  events.addEventListener("home", (event) => {
    const known = new Set(Array.from(live.querySelectorAll("[data-key]"), (row) => row.dataset.key));
    const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    // Rendered and escaped by the server, from the same template as the page itself.
    live.innerHTML = event.data;
    for (const row of live.querySelectorAll("[data-key]")) {
      if (known.size && !known.has(row.dataset.key)) row.classList.add("new");
    }
    if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    tick();
  });
  addEventListener("pagehide", () => events.close());
})();
