"use strict";
// Works on what the page shows. Nothing of the data is ever read as markup, and nothing is fetched.
(() => {
  const all = (selector, under = document) => [...under.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const table = one("table");
  const cases = table ? all(":scope > tbody.case", table) : [];
  const find = one("find");
  const chosen = { verdict: new Set(), label: "", spec: "", tag: "", change: "", words: [] };
  const texts = new Map();
  let shown = cases;

  for (const tool of all(".tools")) tool.hidden = false;

  const detailsOf = (item) => item.querySelector(":scope > .more > td > details");
  const summaryOf = (item) => detailsOf(item).firstElementChild;
  const textOf = (item) => {
    if (!texts.has(item)) texts.set(item, (item.textContent + " " + item.dataset.label).toLowerCase());
    return texts.get(item);
  };
  const fits = (item) => {
    const of = item.dataset;
    return (!chosen.verdict.size || chosen.verdict.has(of.verdict)) &&
      (!chosen.label || of.label === chosen.label) &&
      (!chosen.spec || of.spec === chosen.spec) &&
      (!chosen.tag || of.tags.split("\n").includes(chosen.tag)) &&
      (!chosen.change || of.change === chosen.change) &&
      chosen.words.every((word) => textOf(item).includes(word));
  };
  const filter = () => {
    shown = all(":scope > tbody.case", table).filter((item) => {
      const is = fits(item);
      item.classList.toggle("js-hidden", !is);
      return is;
    });
    const number = (count) => count.toLocaleString("en");
    one("count").value = shown.length === cases.length
      ? number(cases.length) + " shown" : number(shown.length) + " of " + number(cases.length) + " shown";
    one("nothing").hidden = shown.length > 0;
  };
  const clear = () => {
    find.value = "";
    chosen.words = [];
    chosen.verdict.clear();
    for (const chip of all("[data-filter]")) chip.setAttribute("aria-pressed", "false");
    for (const name of ["label", "spec", "tag", "change"]) {
      chosen[name] = "";
      if (one("by-" + name)) one("by-" + name).value = "";
    }
    filter();
  };

  const sort = (head) => {
    const name = head.dataset.sort;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of all("[aria-sort]", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const isText = name === "label" || name === "spec";
    const value = (item) => isText ? item.dataset[name] : Number(item.dataset[name]);
    const ordered = cases.map((item) => [value(item), Number(item.dataset.n), item]);
    ordered.sort((a, b) => ((a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1)) || a[1] - b[1]);
    const sorted = document.createDocumentFragment();
    for (const [, , item] of ordered) sorted.append(item);
    table.append(sorted);
    filter();
  };

  const open = (item) => {
    if (item.classList.contains("js-hidden")) clear();
    detailsOf(item).open = true;
  };
  const follow = () => {
    const item = one(decodeURIComponent(location.hash.slice(1)));
    if (item && item.matches("tbody.case")) {
      open(item);
      item.scrollIntoView({ block: "start" });
      summaryOf(item).focus({ preventScroll: true });
    }
  };
  const step = (by) => {
    const now = shown.indexOf(document.activeElement && document.activeElement.closest("tbody.case"));
    const next = shown[Math.min(shown.length - 1, Math.max(0, now + by))];
    if (next) {
      summaryOf(next).focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest", behavior: "instant" });
    }
  };

  if (table) {
    for (const head of all("[data-sort]", table)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(head));
      head.replaceChildren(button);
    }
    let waiting = 0;
    find.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        chosen.words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
        filter();
      }, 120);
    });
    for (const chip of all("[data-filter]")) {
      chip.addEventListener("click", () => {
        const verdict = chip.dataset.filter;
        const is = !chosen.verdict.has(verdict);
        if (is) chosen.verdict.add(verdict); else chosen.verdict.delete(verdict);
        chip.setAttribute("aria-pressed", String(is));
        filter();
      });
    }
    for (const name of ["label", "spec", "tag", "change"]) {
      const select = one("by-" + name);
      if (select) select.addEventListener("change", () => { chosen[name] = select.value; filter(); });
    }
    const expand = one("expand");
    expand.addEventListener("click", () => {
      const opens = expand.textContent === "Open all";
      for (const item of opens ? shown.slice(0, 200) : cases) detailsOf(item).open = opens;
      expand.textContent = opens ? "Close all" : "Open all";
      expand.title = opens && shown.length > 200 ? "The first 200 are open." : "";
    });
    table.addEventListener("click", (event) => {
      const line = event.target.closest("tr.line");
      if (line && !event.target.closest("a") && !getSelection().toString()) {
        const details = detailsOf(line.parentElement);
        details.open = !details.open;
      }
    });
    table.addEventListener("toggle", (event) => {
      if (event.target.open && navigator.clipboard) for (const box of all(".answer", event.target)) offerCopy(box);
    }, true);
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target.matches("input, select, textarea");
      const onCase = event.target.matches("summary") && event.target.closest("tbody.case");
      if (event.key === "Escape") { clear(); if (typing) event.target.blur(); }
      else if (typing) { if (event.target === find && event.key === "Enter") step(1); }
      else if (event.key === "/") { event.preventDefault(); find.focus(); find.select(); }
      else if (event.key === "j" || (onCase && event.key === "ArrowDown")) { event.preventDefault(); step(1); }
      else if (event.key === "k" || (onCase && event.key === "ArrowUp")) { event.preventDefault(); step(-1); }
    });
    window.addEventListener("hashchange", follow);
    filter();
    // a browser goes to the link's target itself when all is loaded, and takes the focus with it
    window.addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(follow)));
  }

  function offerCopy(box) {
    if (box.querySelector(".copy")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(box.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    box.append(button);
  }

  const differing = one("only-differing");
  if (differing) {
    differing.addEventListener("change", () => {
      document.querySelector(".matrix").classList.toggle("differing", differing.checked);
    });
  }
})();
