/* 1장의 탐험기: 창을 밀며 출력 크기, 쓰이는 칸과 쓰이지 않는 칸, 패딩을 세는 세 약속을 보인다. */
"use strict";

/* 셈. 세로와 가로가 같으므로 모두 한 축을 다룬다. 칸의 번호는 0부터이고, 0보다 작거나 입력의 크기 이상이면 패딩이다. */
const ConvolutionExplorer = (() => {
  const range = (start, stop) => Array.from({ length: Math.max(stop - start, 0) }, (_, i) => start + i);

  /** 창의 첫 칸에서 끝 칸까지의 칸 수. */
  const reach = ({ kernelSize, dilation = 1 }) => dilation * (kernelSize - 1) + 1;

  /** 맨 앞에 놓은 창을 밀 수 있는 칸의 수. 창이 패딩까지 센 입력보다 크면 음수이다. */
  const room = (options) => options.size + 2 * (options.padding ?? 0) - reach(options);

  /** 오른쪽 패딩에서 시작하여 torch가 버리는 마지막 창이 있는지. 올림할 때에만 생긴다. */
  const dropsLast = (options) => {
    const { size, stride = 1, padding = 0, ceilMode = false } = options;
    return ceilMode && Math.ceil(room(options) / stride) * stride >= size + padding;
  };

  /** torch와 같은 출력 크기. torch가 오류를 내는 때에는 null이다. */
  const outputSize = (options) => {
    const { kernelSize, stride = 1, padding = 0, ceilMode = false } = options;
    if (ceilMode && 2 * padding > kernelSize) return null;
    const steps = (ceilMode ? Math.ceil : Math.floor)(room(options) / stride);
    return steps < 0 ? null : steps + 1 - dropsLast(options);
  };

  /** `index`번 출력을 계산하는 창이 보는 칸의 번호. */
  const windowIndices = ({ kernelSize, stride = 1, padding = 0, dilation = 1 }, index) =>
    range(0, kernelSize).map((tap) => index * stride - padding + tap * dilation);

  /** `start` 이상 `stop` 미만의 칸 가운데 어느 창도 보지 않는 것. */
  const unseen = (options, start, stop) => {
    const outputs = range(0, outputSize(options) ?? 0);
    const seen = new Set(outputs.flatMap((index) => windowIndices(options, index)));
    return range(start, stop).filter((cell) => !seen.has(cell));
  };

  /** 어느 창도 보지 않는 입력의 번호. */
  const unusedIndices = (options) => unseen(options, 0, options.size);

  /** TensorFlow의 SAME. 남는 한 칸은 오른쪽에 둔다. */
  const samePadding = (options) => {
    const { size, stride = 1 } = options;
    const output = Math.ceil(size / stride);
    const total = Math.max((output - 1) * stride + reach(options) - size, 0);
    const left = Math.floor(total / 2);
    return { output, total, left, right: total - left };
  };

  /** 한쪽 폭을 양쪽의 합으로 세는 약속으로 옮긴 것. */
  const totalPadding = (options) => {
    const { padding = 0 } = options;
    return { output: outputSize(options), total: 2 * padding, left: padding, right: padding };
  };

  return { range, reach, room, dropsLast, outputSize, windowIndices, unseen, unusedIndices, samePadding, totalPadding };
})();
window.ConvolutionExplorer = ConvolutionExplorer;

/* 화면. 격자는 칸마다가 아니라 종류마다 path 하나로 그린다. */
Explorer.start("convolution", (place) => {
  const { element, svg } = Explorer;
  const { range, reach, room, dropsLast, outputSize, windowIndices, unseen, samePadding, totalPadding } = ConvolutionExplorer;
  const options = { size: 8, kernelSize: 3, stride: 2, padding: 1, dilation: 1, ceilMode: false };
  const chosen = { row: 0, column: 0 };
  let count = 0; // 한 축의 출력 크기. 출력이 없으면 0이다.
  let timer = null;

  const number = (value) => String(value).replace("-", "−");
  const squares = (rows, columns) =>
    rows.flatMap((row) => columns.map((column) => `M${column + 0.05} ${row + 0.05}h.9v.9h-.9z`)).join("");
  /** 두 방향 가운데 하나라도 `lines`에 드는 칸. */
  const crossing = (lines, all) => squares(lines, all) + squares(all.filter((cell) => !lines.includes(cell)), lines);
  const draw = (path, rows, columns = rows) => path.setAttribute("d", squares(rows, columns));
  const layer = (name) => svg("path", { class: `convolution-${name}` });

  /* 입력 격자와 출력 격자 */
  const hatch = svg("pattern", { id: "convolution-hatch", width: 0.24, height: 0.24, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("line", { y2: 0.24 }));
  const outside = layer("outside"), padding = layer("padding"), input = layer("input");
  const unused = layer("unused"), used = layer("used"), taps = layer("taps");
  const frame = svg("rect", { class: "convolution-frame", rx: 0.12 });
  const sliding = svg("g", { class: "convolution-window" }, frame, taps);
  const inputLabels = svg("g"), outputLabels = svg("g");
  const inputGrid = svg("svg", { role: "img" }, svg("defs", {}, hatch), outside, padding, input, unused, used, inputLabels, sliding);
  const output = layer("output"), mark = layer("chosen");
  const outputGrid = svg("svg", {
    role: "application", tabindex: 0, class: "convolution-pick",
    "aria-label": "출력 격자. 화살표 키로 칸을 고릅니다.", "aria-describedby": "convolution-status",
    onkeydown: (event) => {
      const { row, column } = chosen;
      const next = {
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
        Home: [row, 0], End: [row, count - 1],
      }[event.key];
      if (!next || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      stop();
      choose(...next);
    },
    onclick: (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(outputGrid.getScreenCTM().inverse());
      stop();
      choose(Math.floor(point.y), Math.floor(point.x));
    },
  }, output, mark, outputLabels);

  /** 격자의 크기를 정하고 줄마다 번호를 적는다. 칸이 많으면 글자를 칸에 견주어 키운다. */
  const fit = (grid, labels, start, stop, size) => {
    const width = stop - start + 1;
    grid.setAttribute("viewBox", `${start - 1} ${start - 1} ${width + 0.1} ${width + 0.1}`);
    grid.style.setProperty("--cells", width);
    labels.style.fontSize = `${Math.min(0.62, Math.max(0.36, width * 0.036))}px`;
    labels.replaceChildren(...range(start, stop).flatMap((cell) => {
      const name = cell >= 0 && cell < size ? "convolution-number" : "convolution-number convolution-number-padding";
      return [[cell + 0.5, start - 0.45], [start - 0.5, cell + 0.55]].map(([x, y]) => svg("text", { x, y, class: name }, number(cell)));
    }));
  };

  /* 고르기와 재생 */
  const status = element("p", { class: "convolution-status", id: "convolution-status", "aria-live": "polite" });
  const button = (label, onclick) => element("button", { type: "button", onclick }, label);
  const play = button("재생", () => (timer ? stop() : start()));
  const controls = [button("이전 칸", () => { stop(); move(-1); }), play, button("다음 칸", () => { stop(); move(1); })];

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "재생";
    status.setAttribute("aria-live", "polite");
  };
  const start = () => {
    const last = () => chosen.row * count + chosen.column === count ** 2 - 1;
    if (last()) choose(0, 0);
    play.textContent = "멈춤";
    status.setAttribute("aria-live", "off"); // 창이 움직일 때마다 읽어 주면 듣기 어렵다.
    timer = setInterval(() => {
      move(1);
      if (last()) stop();
    }, 700);
  };
  const move = (step) => {
    const index = (chosen.row * count + chosen.column + step + count ** 2) % count ** 2;
    choose(Math.floor(index / count), index % count);
  };

  const choose = (row, column) => {
    const clamp = (value) => Math.min(count - 1, Math.max(0, value));
    Object.assign(chosen, { row: clamp(row), column: clamp(column) });
    const inside = (cells) => cells.filter((cell) => cell >= 0 && cell < options.size);
    const [rows, columns] = [chosen.row, chosen.column].map((index) => inside(windowIndices(options, index)));
    draw(used, rows, columns);
    draw(mark, [chosen.row], [chosen.column]);
    const [y, x] = [chosen.row, chosen.column].map((index) => index * options.stride - options.padding);
    sliding.style.transform = `translate(${x}px, ${y}px)`;

    const list = (cells) => (options.dilation === 1 && cells.length > 1 ? `${cells[0]}–${cells.at(-1)}` : cells.join(", "));
    const total = options.kernelSize ** 2, empty = total - rows.length * columns.length;
    let text = `출력 (${chosen.row}, ${chosen.column}): `;
    if (empty === total) text += `창의 ${total}칸이 모두 입력 밖`;
    else text += `입력 행 ${list(rows)}, 열 ${list(columns)}${empty ? ` · 창의 ${total}칸 가운데 ${empty}칸은 입력 밖` : ""}`;
    status.textContent = text;
  };

  /* 식 */
  const formula = element("div", { class: "convolution-formula" });
  const note = element("p"), ceilNote = element("p");
  const message = element("p", { class: "convolution-message" });
  const brackets = () => (options.ceilMode ? ["⌈", "⌉"] : ["⌊", "⌋"]);
  const divided = (numerator) => {
    const [open, close] = brackets();
    return `${open}${numerator} / ${options.stride}${close} + 1${dropsLast(options) ? " − 1" : ""}`;
  };

  const problem = () => {
    const { size, kernelSize: k, padding: p, dilation: d, ceilMode } = options;
    if (outputSize(options) !== null) return "";
    if (ceilMode && 2 * p > k) return `출력이 없습니다. PyTorch의 풀링은 패딩(${p})이 커널(${k})의 절반보다 크면 오류를 냅니다.`;
    return `출력이 없습니다. 창의 폭은 ${d}·(${k} − 1) + 1 = ${reach(options)}칸인데 패딩까지 센 입력은 ${size + 2 * p}칸뿐입니다. PyTorch도 이때 오류를 냅니다.`;
  };

  const explain = () => {
    const { size, kernelSize: k, stride: s, padding: p, dilation: d, ceilMode } = options;
    const free = room(options), rest = ((free % s) + s) % s;
    const [open, close] = brackets();
    const lines = [
      `${open}(H + 2P − D(K − 1) − 1) / S${close} + 1`,
      `= ${divided(`(${size} + 2·${p} − ${d}·(${k} − 1) − 1)`)}`,
      `= ${divided(number(free))} = ${count}${free < 0 ? "" : `, 나머지 ${rest}`}`,
    ];
    formula.replaceChildren(...lines.map((line) => element("div", {}, line)));

    const wasted = unseen(options, 0, size).length, spare = unseen(options, size, size + p).length;
    let text = wasted
      ? `쓰이지 않는 화소: ${size ** 2 - (size - wasted) ** 2}칸. 가로로 ${wasted}줄, 세로로 ${wasted}줄을 어느 창도 보지 않습니다.`
      : "쓰이지 않는 화소: 0칸.";
    if (spare) text += wasted ? ` 오른쪽과 아래의 패딩 ${spare}줄도 쓰이지 않습니다.` : ` 다만 오른쪽과 아래의 패딩 ${spare}줄은 쓰이지 않습니다.`;
    note.textContent = text;
    if (dropsLast(options)) text = "올림하면 창이 하나 더 생기지만, 그 창은 오른쪽 패딩에서 시작하므로 PyTorch가 버립니다. 그래서 끝에서 1을 뺍니다.";
    else if (rest === 0) text = "나누어떨어지므로 올림하나 내림하나 같습니다.";
    else if (free < 0) text = "올림하므로 패딩까지 센 입력보다 큰 창도 하나 놓습니다.";
    else text = `올림하여 끝에 남는 ${rest}줄에도 창을 하나 더 놓습니다.`;
    ceilNote.textContent = ceilMode ? `${text} PyTorch에서 올림은 풀링에만 있고, 합성곱은 늘 내림합니다.` : "";
  };

  /* 패딩을 세는 세 약속 */
  const body = element("tbody");
  const verdict = element("p", { class: "convolution-verdict", "aria-live": "polite" });
  const table = element("table", { class: "convolution-table" },
    element("caption", {}, "같은 수를 세 약속으로 세면"),
    element("thead", {}, element("tr", {},
      ["약속", "왼쪽 + 오른쪽", "첫 창", "출력"].map((title) => element("th", { scope: "col" }, title)))),
    body);

  const compare = () => {
    const { size, stride: s, padding: p } = options;
    const width = reach(options), same = samePadding(options), total = totalPadding(options);
    const rows = [
      [`PyTorch, 한쪽 P = ${p}`, divided(`(${size} + 2·${p} − ${width})`), total],
      [`양쪽의 합 2P = ${total.total}`, divided(`(${size} + ${total.total} − ${width})`), total],
      [`SAME, 양쪽의 합 ${same.total}`, `⌈${size} / ${s}⌉`, same],
    ];
    body.replaceChildren(...rows.map(([name, text, { left, right, output: result }]) => element("tr", {},
      element("th", { scope: "row" }, name, element("span", {}, text)),
      [`${left} + ${right}`, result === null ? "–" : `${number(-left)}번`, result ?? "없음"].map((value) => element("td", {}, value)))));

    let text;
    if (!count) text = `SAME은 필요한 만큼 알아서 덧붙이므로 크기 ${same.output}인 출력을 냅니다.`;
    else if (same.output !== count) text = `PyTorch의 출력은 ${count}, SAME의 출력은 ${same.output}입니다. 크기부터 다릅니다.`;
    else if (same.left !== p) text = `출력 크기는 같지만 첫 창이 PyTorch는 ${number(-p)}번, SAME은 ${number(-same.left)}번 칸에서 시작하므로 값이 다릅니다.`;
    else if (same.right !== p) text = "오른쪽에 덧붙이는 폭은 달라도 창이 놓이는 자리와 출력은 같습니다.";
    else text = "세 약속이 같은 일을 합니다.";
    if (same.total % 2) text += ` SAME이 덧붙이는 폭 ${same.total}칸은 홀수라서, 남는 한 칸을 오른쪽과 아래에 둡니다.`;
    verdict.textContent = text;
  };

  /** 칸을 고친 뒤 모두 다시 그린다. */
  const update = () => {
    const { size, stride, padding: p } = options;
    count = outputSize(options) ?? 0;
    place.classList.toggle("convolution-impossible", count === 0);
    message.textContent = problem();
    compare();

    const width = reach(options);
    const end = Math.max(size + p, (count - 1) * stride - p + width); // 올림한 창은 패딩보다 더 나가기도 한다.
    const all = range(-p, size + p), inner = range(0, size);
    fit(inputGrid, inputLabels, -p, end, size);
    inputGrid.setAttribute("aria-label", `입력 격자 ${size}×${size}, 사방의 패딩 ${p}칸. 창이 보는 칸과 쓰이지 않는 칸을 나타냅니다.`);
    outside.setAttribute("d", crossing(range(size + p, end), range(-p, end)));
    padding.setAttribute("d", crossing([...range(-p, 0), ...range(size, size + p)], all));
    draw(input, inner);
    unused.setAttribute("d", count ? crossing(unseen(options, -p, size + p), all) : "");
    frame.setAttribute("width", width);
    frame.setAttribute("height", width);
    const dots = range(0, options.kernelSize).map((tap) => tap * options.dilation + 0.5);
    taps.setAttribute("d", dots.flatMap((y) => dots.map((x) => `M${x - 0.14} ${y}a.14 .14 0 1 0 .28 0a.14 .14 0 1 0-.28 0z`)).join(""));
    inputTitle.textContent = `입력 ${size}×${size}${p ? `, 패딩 ${p}` : ""}`;
    outputTitle.textContent = count ? `출력 ${count}×${count}` : "출력 없음";
    if (count === 0) {
      stop();
      draw(used, []);
      status.textContent = note.textContent = ceilNote.textContent = "";
      formula.replaceChildren();
      return;
    }
    explain();
    fit(outputGrid, outputLabels, 0, count, count);
    draw(output, range(0, count));
    choose(chosen.row, chosen.column);
  };

  const inputTitle = element("figcaption"), outputTitle = element("figcaption");
  const field = (label, key, min, max) => Explorer.integerField(label, {
    value: options[key], min, max, change: (value) => { options[key] = value; update(); },
  }).field;
  const legend = [["input", "입력"], ["padding", "패딩"], ["used", "창이 보는 칸"], ["unused", "쓰이지 않는 칸"]].map(([name, label]) =>
    element("li", {}, svg("svg", { viewBox: "0 0 1 1", "aria-hidden": "true" }, svg("path", { class: `convolution-${name}`, d: squares([0], [0]) })), label));

  place.append(
    element("p", { class: "explorer-title" }, "출력의 크기와 창의 자리"),
    element("div", { class: "explorer-fields" },
      field("입력 크기 H", "size", 1, 12), field("커널 K", "kernelSize", 1, 7), field("스트라이드 S", "stride", 1, 4),
      field("패딩 P", "padding", 0, 3), field("팽창률 D", "dilation", 1, 3),
      Explorer.checkField("ceil_mode(풀링)", { change: (checked) => { options.ceilMode = checked; update(); } }).field),
    element("div", { "aria-live": "polite" }, message, formula, note, ceilNote),
    element("ul", { class: "convolution-legend" }, legend),
    element("div", { class: "convolution-picture" },
      element("figure", {}, inputTitle, inputGrid),
      element("figure", {}, outputTitle, outputGrid)),
    element("div", { class: "convolution-controls" }, controls),
    status,
    element("p", { class: "convolution-hint" }, "출력의 칸을 누르거나 화살표 키로 고릅니다. 번호는 0부터 셉니다."),
    table, verdict);
  update();
});
