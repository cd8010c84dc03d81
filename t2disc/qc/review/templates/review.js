"use strict";
// Sends each rating to the server, one at a time and again until it is kept, and brings the reader's own back.
(function () {
  const facts = JSON.parse(document.getElementById("review").textContent);
  const reader = document.getElementById("reader");
  const state = document.getElementById("state");
  const queue = [];
  const refused = new Map(); // why, by figure and disc, of what the server would not keep; told until it is kept
  let isSending = false;
  let isStale = false; // the page shows what is not kept, or another reader's: it is made right once all is sent
  let last = "";

  function tell(text, isWrong) {
    state.textContent = text;
    state.classList.toggle("wrong", Boolean(isWrong));
  }

  function tellAll() {
    const words = Array.from(refused.values()).pop();
    tell((refused.size ? refused.size + " not kept: " + words + " " : "") + last, refused.size > 0);
  }

  function answered(answer, told) {
    const one = queue.shift();
    const place = one.figure + " " + one.level;
    if (answer.ok) {
      refused.delete(place);
      last = "Kept at " + told.kept.slice(11, 19) + " UTC.";
    } else {
      refused.set(place, told.words);
      isStale = true;
    }
    tellAll();
    if (queue.length) send(); else if (isStale) load();
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
      answered(both.answer, both.told);
    }, function () {
      isSending = false;
      tell("Not kept yet: the server does not answer. " + queue.length + " waiting.", true);
      window.setTimeout(send, 3000);
    });
  }

  function fetchOwn(name) {
    return fetch("/ratings?reader=" + encodeURIComponent(name)).then(function (answer) {
      return answer.json().then(function (tree) {
        if (!answer.ok) throw new Error(tree.words);
        return tree.ratings[facts.subject] || {};
      });
    });
  }

  // A rating of a picture that has changed since stands out: it says nothing of the one that is shown.
  function mark(figure, kept) {
    const seen = Object.values((kept && kept.seen) || {});
    const isOld = seen.some(function (sum) { return sum !== figure.dataset.sha256; });
    let note = figure.querySelector("p.outdated");
    if (!isOld) { if (note) note.remove(); return; }
    if (note) return;
    note = document.createElement("p");
    note.className = "note outdated";
    note.textContent = "You rated an earlier picture here, and it has changed since: look again, and rate again.";
    figure.querySelector(".rating").before(note);
  }

  function show(own) {
    window.t2disc.forget();
    window.t2disc.apply(own);
    document.querySelectorAll("figure.rated").forEach(function (figure) { mark(figure, own[figure.id]); });
    if (refused.size || last) tellAll(); // the count of what is rated took its place
  }

  function load() {
    const name = reader.value.trim();
    window.localStorage.setItem("t2disc-reader", name);
    window.t2disc.forget();
    if (!name) { tell("Type your reader's name before you rate."); return; }
    fetchOwn(name).then(function (own) {
      isStale = queue.length > 0;
      if (isStale) send(); else show(own);
    }).catch(function (error) {
      if (!refused.size) tell("Your ratings cannot be shown: " + error.message, true);
    });
  }

  document.addEventListener("t2disc:rated", function (event) {
    queue.push(Object.assign({ subject: facts.subject, reader: reader.value.trim() }, event.detail));
    tell("Keeping...");
    send();
  });
  window.addEventListener("beforeunload", function (event) { if (queue.length) event.preventDefault(); });
  reader.addEventListener("change", function () {
    window.localStorage.setItem("t2disc-reader", reader.value.trim());
    isStale = true;
    last = "";
    if (queue.length) send(); else load();
  });
  reader.value = window.localStorage.getItem("t2disc-reader") || "";
  load();
}());
