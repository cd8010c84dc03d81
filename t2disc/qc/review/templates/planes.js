// A visit in three planes: first echo, T2 on the discs, labels. NiiVue is a front end of ipyniivue (an anywidget
// module); this page stands in for the notebook that it expects on the other side.
const facts = JSON.parse(document.getElementById("review").textContent);
const stage = document.getElementById("planes-stage");
const state = document.getElementById("planes-state");
const buttons = Array.from(document.querySelectorAll("button.open-visit"));
const sliders = { T2: document.getElementById("planes-t2"), discs: document.getElementById("planes-discs") };
const T2_RANGE_MS = [0, 200];
const MULTIPLANAR = 3; // NiiVue's SLICE_TYPE
const NEVER = 0; // and its SHOW_RENDER: three planes, no rendering

/** One side of an anywidget: values by name, and who wants to hear of their changes. */
class Model {
  constructor(values, others) { this.values = values; this.others = others; this.handlers = new Map(); }
  get(name) { return this.values[name]; }
  set(name, value) { this.values[name] = value; }
  save_changes() {}
  send_sync_message() {} // nothing is sent back: there is no notebook that would keep the image ...
  get _comm_live() { return false; } // ... and so none is cut into messages
  send(message) {
    if (message.event === "location_change") tellPlace(message.data);
    if (message.event === "image_loaded") tellLoaded(message.data.id);
  }
  on(name, handler) { this.handlers.set(name, [...(this.handlers.get(name) || []), handler]); }
  off(name, handler) {
    this.handlers.set(name, handler ? (this.handlers.get(name) || []).filter((one) => one !== handler) : []);
  }
  change(name, value) {
    this.values[name] = value;
    (this.handlers.get("change:" + name) || []).forEach((handler) => handler());
  }
  get widget_manager() { return { get_model: (id) => Promise.resolve(this.others.get(id)) }; }
}

function table(levels) {
  const last = Math.max(...levels.map((level) => level.value), 1);
  const lut = new Array(4 * (last + 1)).fill(0);
  const labels = new Array(last + 1).fill("");
  levels.forEach((level) => {
    level.colour.forEach((part, i) => { lut[4 * level.value + i] = part; });
    lut[4 * level.value + 3] = 255;
    labels[level.value] = level.name;
  });
  return { lut, labels, min: 0, max: last };
}

const OWN = {
  echo: { colormap: "gray", opacity: 1 },
  T2: { colormap: "viridis", cal_min: T2_RANGE_MS[0], cal_max: T2_RANGE_MS[1], colorbar_visible: true },
  discs: { colormap: "gray" }
};

function volumeModel(visit, name, others) {
  const id = visit.name + "." + name;
  const values = Object.assign({
    id, name: name + ".nii.gz", path: {}, data: null, paired_img_path: {}, paired_img_data: null, paired_img_url: "",
    url: ["/volume", facts.subject, visit.name, name + ".nii.gz"].join("/"),
    colormap_negative: "", colormap_type: 0, frame_4d: 0, colorbar_visible: false, colormap_invert: false,
    modulation_image: null, modulate_alpha: 0, colormap_label: name === "discs" ? table(visit.levels) : null,
    opacity: sliders[name] ? sliders[name].value / 100 : 1
  }, OWN[name]);
  others.set(id, new Model(values, others));
  return "IPY_MODEL_" + id;
}

function tellPlace(place) {
  const values = Object.fromEntries(place.values.map((one) => [String(one.name).replace(".nii.gz", ""), one.value]));
  const level = shown ? shown.levels.find((one) => one.value === Math.round(values.discs || 0)) : null;
  const t2 = values.T2 > 0 ? "T2 " + values.T2.toFixed(1) + " ms" : level ? "no T2 here" : "not on a disc";
  const [right, anterior, superior] = place.mm;
  const where = [right < 0 ? "L" : "R", Math.abs(right).toFixed(0), anterior < 0 ? "P" : "A",
    Math.abs(anterior).toFixed(0), superior < 0 ? "I" : "S", Math.abs(superior).toFixed(0)].join(" ");
  state.textContent = (level ? level.name + ", " : "") + t2 + " at " + where + " mm";
}

function tellLoaded(id) {
  waiting.delete(id);
  if (shown && !waiting.size) state.textContent = shown.name + " is open. Click on a disc for its T2.";
}

let shown = null;
let main = null;
let waiting = new Set();

async function start() {
  const niivue = (await import("/script/niivue.js")).default;
  const others = new Map();
  main = new Model({
    volumes: [], meshes: [], height: 420, draw_opacity: 0, draw_fill_overwrites: true, background_masks_overlays: 0,
    overlay_outline_width: 0, overlay_alpha_shader: 1,
    opts: { sliceType: MULTIPLANAR, multiplanarShowRender: NEVER, isColorbar: true, isNearestInterpolation: true,
      isRadiologicalConvention: true, sagittalNoseLeft: true, dragAndDropEnabled: false,
      crosshairWidth: 0.4, crosshairColor: [1, 1, 1, 0.6], fontColor: [1, 1, 1, 1] }
  }, others);
  await niivue.initialize({ model: main });
  await niivue.render({ model: main, el: stage });
}

async function open(button) {
  const visit = facts.visits.find((one) => one.name === button.dataset.visit);
  buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  state.textContent = "Loading " + visit.name + "...";
  if (!main) await start();
  shown = visit;
  waiting = new Set(facts.volumes.map((name) => visit.name + "." + name));
  main.change("volumes", facts.volumes.map((name) => volumeModel(visit, name, main.others)));
}

function hasWebGl() {
  try { return Boolean(document.createElement("canvas").getContext("webgl2")); } catch (error) { return false; }
}

if (hasWebGl()) {
  buttons.forEach((button) => {
    button.addEventListener("click", () => {
      open(button).catch((error) => { state.textContent = "The viewer failed (" + error.message + "); the slices below show the same."; });
    });
  });
  Object.entries(sliders).forEach(([name, slider]) => {
    slider.addEventListener("input", () => {
      if (!shown) return;
      const model = main.others.get(shown.name + "." + name);
      if (model) model.change("opacity", slider.value / 100);
    });
  });
} else {
  buttons.forEach((button) => { button.disabled = true; });
  state.textContent = "This browser has no WebGL 2, which the viewer in three planes needs. The slices below show the same.";
}
