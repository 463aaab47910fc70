"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const html = document.documentElement;
  const say = (en, zh) => `<span lang="en">${en}</span><span lang="zh">${zh}</span>`;
  const safe = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

  // language: kept in the address, so that a link opens in it
  const setLanguage = (code) => { html.lang = code; history.replaceState(null, "", `#${code}`); };
  if (location.hash === "#zh") setLanguage("zh");
  document.getElementById("language").addEventListener("click", () => setLanguage(html.lang === "en" ? "zh" : "en"));

  // numbers as each language groups them: thousands, or 万 and 亿
  const tenThousands = (v) => {
    for (const [size, name] of [[1e8, "亿"], [1e4, "万"]]) if (Math.abs(v) >= Math.max(size, 1e5)) return `${Number((v / size).toFixed(2)).toLocaleString("en")}${name}`;
    return Math.round(v).toLocaleString("en");
  };
  const num = (v) => say(Math.round(v).toLocaleString("en"), tenThousands(v));
  const yuan = (v) => say(`${(v / 1e6).toFixed(2)} M CNY`, `${Math.round(v / 1e4).toLocaleString("en")}万元`);
  const word = (key) => { const w = data.words[key]; return w ? say(safe(w.en), safe(w.zh)) : safe(key); };

  // arrays stand as base64 of their length in bytes (4, little-endian) and themselves deflated
  const bytes = (text) => {
    const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return inflate(packed.subarray(4), new DataView(packed.buffer).getUint32(0, true));
  };
  const words = (text) => new Uint16Array(bytes(text).buffer);
  const longs = (text) => new Uint32Array(bytes(text).buffer);
  const floats = (text) => new Float32Array(bytes(text).buffer);
  const { rows, cols } = data;
  // a raster is unpacked when it is first looked at
  const layers = {}, rasterOf = (key) => { if (!layers[key] && data.layers[key]) layers[key] = bytes(data.layers[key]); return layers[key]; };
  const border = words(data.borders);
  const sites = Object.fromEntries(Object.entries(data.sites).map(([key, s]) => [key, {
    ...s, x: words(s.x), y: words(s.y), action: bytes(s.action), layer: bytes(s.layer),
    environment: bytes(s.environment), number: longs(s.number), servers: words(s.servers), capex: longs(s.capex_kcny),
    overloaded: bytes(s.overloaded), year: words(s.year), columns: Object.fromEntries(Object.entries(s.columns).map(([k, v]) => [k, floats(v)])),
  }]));

  const roads = Object.fromEntries(Object.entries(data.roads).map(([key, r]) => [key, { segments: words(r.segments), before: bytes(r.before), after: bytes(r.after) }]));

  // greys for people and a purple that is darkest where nobody is served: sites stand out on both
  const ramp = { people: ["#ffffff", "#f0f0f0", "#dcdcdc", "#c3c3c3", "#a6a6a6", "#858585", "#616161", "#3d3d3d"],
    share: ["#3f007d", "#6a51a3", "#9e9ac8", "#bcbddc", "#dadaeb", "#f7f5fb"],
    signal: ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"],
    road: ["#a50026", "#f46d43", "#fdae61", "#74add1", "#4575b4", "#1f2f7a"] };
  // what a raster shows and how its classes are called
  const signals = Object.fromEntries(data.signals.map((s) => [s.key, s]));
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const actions = [
    { key: "keep", en: "existing", zh: "现有", colour: "#222222", shape: "dot" },
    { key: "upgrade", en: "upgraded", zh: "升级", colour: "#0072b2", shape: "triangle" },
    { key: "share", en: "shared", zh: "共享", colour: "#009e73", shape: "square" },
    { key: "new", en: "new", zh: "新建", colour: "#d55e00", shape: "diamond" },
  ];

  const raster = document.createElement("canvas");
  raster.width = cols; raster.height = rows;
  let area = "people";
  const paintArea = () => {
    const context = raster.getContext("2d"), image = context.createImageData(cols, rows);
    const values = rasterOf(area), people = area === "people", signal = signals[area];
    const colours = (people ? ramp.people : signal ? ramp.signal : ramp.share).map(rgb);
    if (values) for (let i = 0; i < values.length; i += 1) {
      if (values[i] === 255) continue;
      const k = people || signal ? values[i] : Math.min(5, Math.floor(values[i] / 16.7));
      image.data.set(colours[k], 4 * i); image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };

  const canvas = document.getElementById("map"), context = canvas.getContext("2d");
  const view = { scale: 1, x: 0, y: 0 }, shown = { borders: true };
  const home = () => {
    view.scale = Math.min(canvas.clientWidth / cols, canvas.clientHeight / rows);
    view.x = (canvas.clientWidth - cols * view.scale) / 2; view.y = (canvas.clientHeight - rows * view.scale) / 2;
  };
  const symbol = (shape, x, y, r) => {
    if (shape === "triangle") { context.moveTo(x, y - r); context.lineTo(x + r, y + r); context.lineTo(x - r, y + r); context.closePath(); }
    else if (shape === "diamond") { context.moveTo(x, y - 1.3 * r); context.lineTo(x + 1.3 * r, y); context.lineTo(x, y + 1.3 * r); context.lineTo(x - 1.3 * r, y); context.closePath(); }
    else context.rect(x - r, y - r, 2 * r, 2 * r);
  };
  // a dark rim tells the second system from the first, whose symbols have none
  // (one with few sites has it too: there is room)
  const rimmed = (key) => data.order.indexOf(key) > 0 || sites[key].x.length < 500;
  const drawSites = (key, number) => {
    const s = sites[key], action = actions[number], w = canvas.clientWidth, h = canvas.clientHeight;
    const zoomed = view.scale / Math.min(w / cols, h / rows), rim = rimmed(key) && number > 0;
    const small = Math.min(1, w / 800);  // a phone shows as many sites on less room
    const r = Math.min(rim ? 7 : 5.5, (number ? 1.2 : 0.6) * Math.sqrt(zoomed) * (0.5 + small / 2) + (rim ? 1.6 * small : 0));
    context.fillStyle = action.colour; context.beginPath();
    const first = number ? s.first_planned : 0, last = number ? s.x.length : s.first_planned;
    for (let i = first; i < last; i += 1) {
      if (s.action[i] !== number) continue;
      const x = view.x + (s.x[i] / 65535) * cols * view.scale, y = view.y + (s.y[i] / 65535) * rows * view.scale;
      if (x < -r || y < -r || x > w + r || y > h + r) continue;
      symbol(action.shape, x, y, r);
    }
    if (rim) { context.strokeStyle = "#000"; context.lineWidth = 1.6 * small; context.stroke(); } else if (r > 3) { context.strokeStyle = "#fff"; context.lineWidth = 1; context.stroke(); }
    context.fill();
  };
  // roads in the colour of the share of their trips that gets through
  const drawRoads = (key, when) => {
    const r = roads[key], zoomed = view.scale / Math.min(canvas.clientWidth / cols, canvas.clientHeight / rows);
    const at = (i, size) => (r.segments[i] / 65535) * size * view.scale;
    context.lineCap = "round"; context.lineWidth = Math.min(6, 2 + 0.5 * zoomed);
    ramp.road.forEach((colour, k) => {
      context.strokeStyle = colour; context.beginPath();
      for (let i = 0; i < r[when].length; i += 1) {
        if (Math.min(5, Math.floor(r[when][i] / 16.7)) !== k) continue;
        context.moveTo(view.x + at(4 * i, cols), view.y + at(4 * i + 1, rows)); context.lineTo(view.x + at(4 * i + 2, cols), view.y + at(4 * i + 3, rows));
      }
      context.stroke();
    });
  };
  const scaleBar = () => {
    const metres = data.cell_m / view.scale, most = 140 * metres;
    const power = 10 ** Math.floor(Math.log10(most)), step = [5, 2, 1].find((k) => k * power <= most) * power;
    const w = step / metres, y = canvas.clientHeight - 16, text = step >= 1000 ? `${step / 1000} km` : `${step} m`;
    context.fillStyle = "rgba(255,255,255,.92)"; context.fillRect(8, y - 22, w + 16, 32);
    context.fillStyle = "#111"; context.fillRect(16, y, w, 3); context.font = "13px sans-serif"; context.fillText(text, 16, y - 6);
  };
  let pending = false;
  const draw = () => { if (!pending) { pending = true; requestAnimationFrame(paint); } };
  const paint = () => {
    pending = false;
    const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
    context.setTransform(ratio, 0, 0, ratio, 0, 0); context.clearRect(0, 0, w, h);
    context.imageSmoothingEnabled = view.scale < 1;
    if (area !== "none") context.drawImage(raster, view.x, view.y, cols * view.scale, rows * view.scale);
    if (shown.borders) {
      context.strokeStyle = "rgba(110,110,110,.9)"; context.lineWidth = 0.8; context.beginPath();
      for (let i = 0; i < border.length; i += 4) {
        context.moveTo(view.x + border[i] * view.scale, view.y + border[i + 1] * view.scale);
        context.lineTo(view.x + border[i + 2] * view.scale, view.y + border[i + 3] * view.scale);
      }
      context.stroke();
    }
    for (const key of Object.keys(roads)) for (const when of ["before", "after"]) if (shown[`${key}-roads-${when}`]) drawRoads(key, when);
    for (const key of data.order) for (let k = 0; k < 4; k += 1) if (shown[`${key}-${k}`]) drawSites(key, k);
    scaleBar();
  };
  const zoom = (factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) => {
    const least = 0.7 * Math.min(canvas.clientWidth / cols, canvas.clientHeight / rows);
    const next = Math.max(least, Math.min(80, view.scale * factor)), k = next / view.scale;
    view.x = x - (x - view.x) * k; view.y = y - (y - view.y) * k; view.scale = next; draw();
  };

  // details of what lies under the pointer: a planned site first, then the county
  const details = document.getElementById("details");
  const row = (en, zh, value) => `<dt>${say(en, zh)}</dt><dd>${value}</dd>`;
  const share = (v) => `${(100 * v).toFixed(1)}%`;
  const measured = (column, v) => column.unit === "1" ? share(v) : column.unit === "count" ? num(v) : `${Number(v.toPrecision(6)).toLocaleString("en")} ${safe(column.unit)}`;
  // whose class of land decides: that of whom a site serves alone, or the lesser of both
  const reachOf = (part, l, environment) => {
    const metres = (r) => `${Math.round(r.reach_m).toLocaleString("en")} m`, mine = part.reach.filter((r) => r.layer === l.key);
    if (part.reach_decided_by === "cell") return mine.map((r) => `${word(r.environment)} ${metres(r)}`).join("; ");
    const own = metres(mine.find((r) => r.environment === environment));
    return say(`${own} at most`, `至多${own}`);
  };
  const describe = (px, py) => {
    let best = null, near = 81;
    for (const [key, s] of Object.entries(sites)) for (let i = 0; i < s.x.length; i += 1) {
      if (!shown[`${key}-${s.action[i]}`]) continue;
      const dx = view.x + (s.x[i] / 65535) * cols * view.scale - px, dy = view.y + (s.y[i] / 65535) * rows * view.scale - py;
      const d = dx * dx + dy * dy - (s.action[i] ? 20 : 0);
      if (d < near) { near = d; best = [key, i]; }
    }
    let text = "";
    if (best) {
      const [key, i] = best, s = sites[key], part = data.sectors[key], a = actions[s.action[i]];
      // an asset that serves every layer has the number after the last
      const l = part.layers[s.layer[i]] || { key: part.layers[0].key, title: "all", title_zh: "全部" };
      const environment = s.environments[s.environment[i]];
      text += `<div><strong>${say(safe(part.title), safe(part.title_zh))}</strong><dl class="pairs">`;
      text += row("asset", "编号", safe(`${key}-${String(s.number[i]).padStart(7, "0")}`)) + row("layer", "服务层", say(safe(l.title), safe(l.title_zh)));
      text += row("action", "措施", say(a.en, a.zh)) + row("place", "地类", word(environment)) + row("reach", "半径", reachOf(part, l, environment));
      if (i >= s.first_planned) {
        const at = i - s.first_planned;
        text += row("cost", "投资", yuan(s.capex[at] * 1000)) + row("year", "年份", s.year[at]);
        for (const column of part.columns) if (s.columns[column.name]) text += `<dt title="${safe(column.doc)}">${say(safe(column.en), safe(column.zh))}</dt><dd>${measured(column, s.columns[column.name][at])}</dd>`;
        text += row("state", "状态", say("planned", "规划"));
      } else text += row("units", "设备", num(s.servers[i])) + row("basis", "依据", say(safe(part.existing.label), safe(part.existing.label_zh)));
      if (s.overloaded[i]) text += row("load", "负荷", say("more than the equipment allowed can carry", "超过允许配置的承载能力"));
      text += "</dl></div>";
    }
    const c = Math.floor((px - view.x) / view.scale), r = Math.floor((py - view.y) / view.scale);
    const county = c >= 0 && r >= 0 && c < cols && r < rows ? rasterOf("county")[r * cols + c] : 255;
    if (county !== 255) {
      const note = data.counties[county], name = say(safe(note.name_en || note.name), safe(note.name));
      text += `<div><strong>${name}</strong><dl class="pairs">`;
      data.order.map((key) => data.sectors[key]).forEach((part, k) => {
        const me = part.counties[county];
        if (!k) text += row("people", "人口", num(me.people));
        text += row(safe(part.title), safe(part.title_zh), `${share(me.served_before_ratio)} → ${share(me.served_after_ratio)}`);
        text += row("planned", "规划数", `${num(me.planned_count)} · ${yuan(me.cost_cny)}`);
      });
      text += "</dl></div>";
    }
    details.innerHTML = text || say("Nothing here.", "此处无内容。");
  };

  // pointers: drag with one, pinch with two, click without moving
  const pointers = new Map(); let moved = 0, spread = 0;
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); pointers.set(e.pointerId, [e.offsetX, e.offsetY]); moved = 0; spread = 0; });
  canvas.addEventListener("pointermove", (e) => {
    const old = pointers.get(e.pointerId); if (!old) return;
    pointers.set(e.pointerId, [e.offsetX, e.offsetY]);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], d = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread) zoom(d / spread, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      spread = d; moved = 99; return;
    }
    view.x += e.offsetX - old[0]; view.y += e.offsetY - old[1]; moved += Math.abs(e.offsetX - old[0]) + Math.abs(e.offsetY - old[1]); draw();
  });
  canvas.addEventListener("pointerup", (e) => { pointers.delete(e.pointerId); if (moved < 5) describe(e.offsetX, e.offsetY); });
  canvas.addEventListener("pointercancel", (e) => pointers.delete(e.pointerId));
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY); }, { passive: false });
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[e.key];
    if (step) { view.x += step[0]; view.y += step[1]; draw(); }
    else if (e.key === "+" || e.key === "=") zoom(1.4);
    else if (e.key === "-") zoom(1 / 1.4);
    else if (e.key === "Enter") describe(canvas.clientWidth / 2, canvas.clientHeight / 2);
    else return;
    e.preventDefault();
  });
  document.getElementById("in").addEventListener("click", () => zoom(1.5));
  document.getElementById("out").addEventListener("click", () => zoom(1 / 1.5));
  document.getElementById("home").addEventListener("click", () => { home(); draw(); });
  window.addEventListener("resize", () => { home(); draw(); });

  // controls and legend
  const areas = [["people", data.people_is_modelled ? say("people per km² (modelled)", "每平方公里人口（模拟）") : say("people per km²", "每平方公里人口")]];
  for (const key of data.order) {
    const part = data.sectors[key];
    if (data.layers[`${key}_before`]) areas.push([`${key}_before`, say(`${safe(part.title)}: served before`, `${safe(part.title_zh)}：此前服务率`)]);
    if (data.layers[`${key}_after`]) areas.push([`${key}_after`, say(`${safe(part.title)}: served after`, `${safe(part.title_zh)}：方案后服务率`)]);
    if (data.layers[`${key}_firm`]) areas.push([`${key}_firm`, say(`${safe(part.title)}: served whichever site fails`, `${safe(part.title_zh)}：任一站失效仍有服务`)]);
  }
  for (const s of data.signals) areas.push([s.key, say(safe(s.title), safe(s.title_zh))]);
  areas.push(["none", say("none", "无")]);
  document.getElementById("areas").innerHTML = areas.map(([k, t]) => `<label><input type="radio" name="area" value="${k}"${k === area ? " checked" : ""}>${t}</label>`).join("");
  const icon = (a, rim) => {
    const stroke = rim ? ' stroke="#000" stroke-width="1.8"' : "", d = { dot: "M5 5h6v6h-6z", triangle: "M8 2L14 14H2z", square: "M3 3h10v10H3z", diamond: "M8 1L15 8 8 15 1 8z" }[a.shape];
    return `<svg class="chip" width="20" height="20" viewBox="-2 -2 20 20" aria-hidden="true"><path d="${d}" fill="${a.colour}"${stroke}/></svg>`;
  };
  // what would cover the map at first sight is off until asked for
  const many = 3000;
  let overlays = `<section><label><input type="checkbox" value="borders" checked>${say("county borders", "县界")}</label></section>`;
  for (const key of data.order) {
    const part = data.sectors[key];
    overlays += `<section><strong>${say(safe(part.title), safe(part.title_zh))}</strong>`;
    if (roads[key]) for (const [when, en, zh] of [["before", "roads before", "路网（此前）"], ["after", "roads after", "路网（方案后）"]]) overlays += `<label><input type="checkbox" value="${key}-roads-${when}"><span>${say(en, zh)}</span></label>`;
    actions.forEach((a, k) => {
      const n = part.counts[a.key]; if (!n) return;
      const on = k > 0 && n <= many; shown[`${key}-${k}`] = on;
      overlays += `<label><input type="checkbox" value="${key}-${k}"${on ? " checked" : ""}>${icon(a, rimmed(key) && k > 0)}<span>${say(a.en, a.zh)} (${n.toLocaleString("en")})</span></label>`;
    });
    overlays += "</section>";
  }
  document.getElementById("overlays").innerHTML = overlays;
  const signalLegend = (s) => {
    const name = (i) => i === 0 ? `< ${s.limits[0]}` : i === s.limits.length ? `≥ ${s.limits[i - 1]}` : `${s.limits[i - 1]} – ${s.limits[i]}`;
    const steps = ramp.signal.map((c, i) => `<div><span class="swatch" style="background:${c}"></span>${name(i)} (${share(s.people_ratio[i])})</div>`).join("");
    return `<strong>${say(safe(s.title), safe(s.title_zh))}, ${safe(s.unit)}</strong><div class="steps">${steps}</div><div class="soft">${say(`in brackets: share of residents; ${safe(s.note)}`, `括号内为居民占比；${safe(s.note_zh)}`)}</div>`;
  };
  const legend = () => {
    const people = area === "people", colours = people ? ramp.people : ramp.share;
    const limits = (people ? [0, ...data.people_classes] : [0, 17, 33, 50, 67, 83]).map((v) => v.toLocaleString("en"));
    const unit = people ? say("people per km²", "人/平方公里") : say("served share of demand, %", "需求服务率，%");
    const steps = colours.map((c, i) => `<div><span class="swatch" style="background:${c}"></span>${limits[i]}${i + 1 < colours.length ? `–${limits[i + 1]}` : people ? "+" : "–100"}</div>`).join("");
    let text = area === "none" ? "" : signals[area] ? signalLegend(signals[area]) : `<strong>${unit}</strong><div class="steps">${steps}</div>${people ? "" : `<div class="soft">${say(`no colour: fewer than ${data.people_classes[0]} people per km² (${share(data.uncoloured_people_ratio)} of all)`, `无色：每平方公里不足${data.people_classes[0]}人（占总人口${share(data.uncoloured_people_ratio)}）`)}</div>`}`;
    for (const key of data.order) {
      const part = data.sectors[key], on = actions.filter((a, k) => shown[`${key}-${k}`]);
      if (on.length) text += `<strong>${say(safe(part.title), safe(part.title_zh))}</strong><div class="steps">${on.map((a) => `<div>${icon(a, rimmed(key) && a.key !== "keep")}${say(a.en, a.zh)}</div>`).join("")}</div>`;
    }
    if (Object.keys(roads).some((key) => shown[`${key}-roads-before`] || shown[`${key}-roads-after`])) {
      const limits = [0, 17, 33, 50, 67, 83];
      text += `<strong>${say("share of a road’s long trips that gets through, %", "路段长途出行通过率，%")}</strong><div class="steps">${ramp.road.map((c, i) => `<div><span class="swatch" style="background:${c}"></span>${limits[i]}–${i < 5 ? limits[i + 1] : 100}</div>`).join("")}</div>`;
    }
    document.getElementById("legend").innerHTML = text || say("nothing shown", "未显示任何图层");
  };
  document.getElementById("areas").addEventListener("change", (e) => { area = e.target.value; paintArea(); legend(); draw(); });
  document.getElementById("overlays").addEventListener("change", (e) => { shown[e.target.value] = e.target.checked; legend(); draw(); });

  // a system's own section leads to the map with that system alone on it
  for (const link of document.querySelectorAll("a[data-map]")) link.addEventListener("click", () => {
    const key = link.dataset.map;
    const radio = document.querySelector(`#areas input[value="${key}_after"]`) || document.querySelector('#areas input[value="people"]');
    radio.checked = true; area = radio.value; paintArea();
    for (const box of document.querySelectorAll("#overlays input")) {
      const k = Number(box.value.slice(key.length + 1)), mine = box.value.startsWith(`${key}-`);
      box.checked = box.value === "borders" || box.value === `${key}-roads-after` || (mine && (k > 0 || (k === 0 && !sites[key].action.some((a) => a > 0))));
      shown[box.value] = box.checked;
    }
    legend(); draw();
  });

  // tables sort by the button that each header becomes
  for (const table of document.querySelectorAll("table.sortable")) for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button"; button.innerHTML = head.innerHTML; head.replaceChildren(button);
    button.addEventListener("click", () => {
      const k = head.cellIndex, up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (tr) => { const cell = tr.cells[k]; return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value); };
      const list = [...table.tBodies[0].rows].sort((a, b) => { const x = value(a), y = value(b); return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1); });
      table.tBodies[0].append(...list);
    });
  }

  // paper has no click: what is folded is opened for it
  let folded = [];
  window.addEventListener("beforeprint", () => { folded = [...document.querySelectorAll("details:not([open])")]; folded.forEach((d) => { d.open = true; }); });
  window.addEventListener("afterprint", () => folded.forEach((d) => { d.open = false; }));
  paintArea(); legend(); home(); draw();
})();
