"use strict";
// Sends each rating to the server, one at a time and again until it is kept, and brings the reader's own back.
(function () {
  const facts = JSON.parse(document.getElementById("review").textContent);
  const reader = document.getElementById("reader");
  const state = document.getElementById("state");
  const queue = [];
  let isSending = false;

  function tell(text, isWrong) {
    state.textContent = text;
    state.classList.toggle("wrong", Boolean(isWrong));
  }

  function send() {
    if (isSending || !queue.length) return;
    if (!reader.value.trim()) {
      tell("Not kept yet: type your reader's name first.", true);
      reader.focus();
      return;
    }
    isSending = true;
    const one = queue[0];
    if (!one.reader) one.reader = reader.value.trim();
    fetch("/ratings", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(one)
    }).then(function (answer) {
      return answer.json().then(function (told) { return { answer: answer, told: told }; });
    }).then(function (both) {
      isSending = false;
      queue.shift();
      if (both.answer.ok) {
        tell(queue.length ? "Keeping..." : "Kept at " + both.told.kept.slice(11, 19) + " UTC.");
      } else {
        tell("Not kept: " + both.told.words, true);
      }
      send();
    }).catch(function () {
      isSending = false;
      tell("Not kept yet: the server does not answer. " + queue.length + " waiting.", true);
      window.setTimeout(send, 3000);
    });
  }

  function load() {
    const name = reader.value.trim();
    window.localStorage.setItem("t2disc-reader", name);
    window.t2disc.forget();
    if (!name) { tell("Type your reader's name before you rate."); return; }
    fetch("/ratings?reader=" + encodeURIComponent(name)).then(function (answer) { return answer.json(); }).then(function (tree) {
      window.t2disc.apply(tree.ratings[facts.subject] || {});
      send();
    }).catch(function () { tell("The server does not answer.", true); });
  }

  document.addEventListener("t2disc:rated", function (event) {
    queue.push(Object.assign({ subject: facts.subject, reader: reader.value.trim() }, event.detail));
    tell("Keeping...");
    send();
  });
  window.addEventListener("beforeunload", function (event) { if (queue.length) event.preventDefault(); });
  reader.addEventListener("change", function () { if (queue.length) send(); else load(); });
  reader.value = window.localStorage.getItem("t2disc-reader") || "";
  load();
}());
