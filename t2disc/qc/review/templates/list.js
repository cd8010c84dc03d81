"use strict";
// How far the reader has come; other readers' ratings stay unseen.
(function () {
  const reader = document.getElementById("reader");
  const state = document.getElementById("state");
  const next = document.getElementById("next");
  const rows = Array.from(document.querySelectorAll("#reads tbody tr"));

  function count(figures) {
    return Object.keys(figures || {}).filter(function (name) {
      return figures[name].figure || Object.keys(figures[name].discs).length;
    }).length;
  }

  function show(ratings) {
    let open = null, done = 0;
    rows.forEach(function (row) {
      const n = count(ratings[row.dataset.subject]);
      row.querySelector(".done").textContent = n ? n + (n === 1 ? " figure" : " figures") : "none";
      if (n) done += 1; else open = open || row;
    });
    state.textContent = reader.value ? done + " of " + rows.length + " begun" : rows.length + " to read";
    if (open) next.href = "/read/" + open.dataset.subject;
    next.textContent = done ? (open ? "Go on" : "Look again") : "Start";
  }

  function load() {
    const name = reader.value.trim();
    window.localStorage.setItem("t2disc-reader", name);
    fetch("/ratings?reader=" + encodeURIComponent(name)).then(function (answer) {
      return answer.json().then(function (tree) {
        if (!answer.ok) throw new Error(tree.words);
        show(tree.ratings);
        state.classList.remove("wrong");
      });
    }).catch(function (error) {
      state.textContent = error instanceof TypeError ? "The server does not answer." : error.message;
      state.classList.add("wrong");
    });
  }

  reader.value = window.localStorage.getItem("t2disc-reader") || "";
  reader.addEventListener("change", load);
  load();
}());
