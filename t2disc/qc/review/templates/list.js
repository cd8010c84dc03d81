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
    window.localStorage.setItem("t2disc-reader", reader.value);
    fetch("/ratings?reader=" + encodeURIComponent(reader.value)).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }).then(function (tree) { show(tree.ratings); }).catch(function () { state.textContent = "The server does not answer."; });
  }

  reader.value = window.localStorage.getItem("t2disc-reader") || "";
  reader.addEventListener("change", load);
  load();
}());
