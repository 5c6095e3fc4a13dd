/* 수용 영역 탐험기: 신경망과 층을 고르면 그 층의 출력 하나가 입력의 어디를 보는지 그린다.
   수는 receptive_field_data.js에서 오며, 여기서는 위치만 셈한다. */
"use strict";

window.ReceptiveFieldExplorer = (() => {
  const { element, svg, selectField } = Explorer;
  const COLUMNS = ["name", "kind", "k", "s", "p", "d", "output", "size", "jump", "start"];
  const KINDS = { Conv: "합성곱", MaxPool: "최대 풀링", AvgPool: "평균 풀링" };
  const STAGE = 420, WIDTH = 420, HEIGHT = 170, LEFT = 48, RIGHT = 4, TOP = 12, BOTTOM = 26;

  const networks = Object.fromEntries(Object.entries(RECEPTIVE_FIELD_DATA).map(([key, [label, input, rows]]) =>
    [key, { label, input, layers: rows.map((row) => Object.fromEntries(COLUMNS.map((name, i) => [name, row[i]]))) }]));

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  /** 한 방향으로 `index`번 출력이 보는 화소 [처음, 끝). 이미지 밖의 번호는 패딩이다. */
  const field = (layer, index) => {
    const first = layer.start + index * layer.jump;
    return [first, first + layer.size];
  };

  /** 수용 영역에서 실제로 보는 화소 [처음, 끝). 중간의 특징 맵도 끝이 있으므로 층마다 잘라야 한다.
      이미지의 크기로 한 번만 자르면, 나머지를 내림하며 버린 화소까지 들어간다. */
  const visible = ({ input, layers }, number, index) => {
    let first = index, last = index;
    for (let i = number; i >= 0; i--) {
      const { k, s, p, d } = layers[i], side = i ? layers[i - 1].output : input;
      first = Math.max(0, first * s - p);
      last = Math.min(side - 1, last * s - p + (k - 1) * d);
    }
    return [first, last + 1];
  };

  /** 수용 영역의 중심. 화소의 경계를 0, 1, 2, …로 잰다. */
  const centre = (layer, index) => layer.start + index * layer.jump + layer.size / 2;

  /** 중심이 `place`에 가장 가까운 출력의 번호. */
  const nearest = (layer, place) => clamp(Math.round((place - centre(layer, 0)) / layer.jump), 0, layer.output - 1);

  /** 견주어 보일 이웃의 번호. 출력이 하나뿐이면 null이다. */
  const neighbour = (layer, index) => (layer.output === 1 ? null : index + 1 < layer.output ? index + 1 : index - 1);

  /** 출력 (row, column)이 보는 화소가 입력에서 차지하는 몫(%). */
  const share = (network, number, row, column) => [row, column].map((index) => visible(network, number, index))
    .reduce((part, [first, end]) => part * (end - first) / network.input, 100);

  /** 어느 자리에서든 수용 영역이 이미지 밖으로 나가는 가장 큰 폭. */
  const overhang = (layer, input) => Math.max(0, -layer.start, field(layer, layer.output - 1)[1] - input);

  /** 수용 영역과 누적 스트라이드의 식에 수를 넣은 것: [등호 뒤의 식, 값]. */
  const recurrence = (layers, index) => {
    const { k, s, d, size, jump } = layers[index];
    const before = layers[index - 1] ?? { size: 1, jump: 1 };
    return { r: [`${before.size} + (${k} − 1)·${d}·${before.jump}`, size], j: [`${before.jump}·${s}`, jump] };
  };

  const square = (side) => `${side}×${side}`;
  const kind = ({ kind, k, s }) => `${KINDS[kind]} ${square(k)}${s > 1 ? `, 스트라이드 ${s}` : ""}`;
  const summary = ({ name, size, jump }) => `${name}: 수용 영역 ${square(size)}, 누적 스트라이드 ${jump}`;

  const rect = (name, [left, right], [top, bottom], at) => svg("rect", {
    class: name, x: at(left), y: at(top), width: at(right) - at(left), height: at(bottom) - at(top),
  });

  /** 입력 위에 고른 출력과 이웃의 수용 영역을 그린다. `at`은 화소를 그림의 좌표로 옮긴다. */
  const drawStage = (network, number, row, column, at) => {
    const { input } = network, layer = network.layers[number];
    const box = (name, r, c) => [
      rect(`rf-${name} rf-outside`, field(layer, c), field(layer, r), at),
      rect(`rf-${name}`, visible(network, number, c), visible(network, number, r), at),
    ];
    const dot = (r, c, name, radius) => svg("circle", { class: name, cx: at(centre(layer, c)), cy: at(centre(layer, r)), r: radius });
    const parts = [rect("rf-input", [0, input], [0, input], at)];
    if (layer.output <= 28 && at(layer.jump) - at(0) > 4) {
      for (let r = 0; r < layer.output; r++) for (let c = 0; c < layer.output; c++) parts.push(dot(r, c, "rf-lattice", 1.2));
    }
    const next = neighbour(layer, column);
    if (next !== null) parts.push(...box("next", row, next));
    parts.push(...box("field", row, column));
    if (next !== null) {
      const [x1, x2] = [column, next].map((c) => at(centre(layer, c))), y = at(centre(layer, row));
      parts.push(svg("line", { class: "rf-jump", x1, x2, y1: y, y2: y }), dot(row, next, "rf-next-dot", 3.5));
    }
    parts.push(dot(row, column, "rf-dot", 3.5));
    return parts;
  };

  /** 층마다의 수용 영역을 계단으로 그린다. */
  const drawChart = ({ layers, input }, chosen) => {
    const top = Math.max(input, ...layers.map(({ size }) => size)), step = (WIDTH - LEFT - RIGHT) / layers.length;
    const x = (i) => LEFT + i * step, y = (size) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * size / top;
    const path = layers.map(({ size }, i) => `${i ? "V" : `M${LEFT} `}${y(size)}H${x(i + 1)}`).join("");
    const text = (value, left, up, anchor = "middle") => svg("text", { x: left, y: up, "text-anchor": anchor }, String(value));
    const current = layers[chosen];
    const marks = [0, top].filter((size) => Math.abs(y(size) - y(input)) > 16 || size === 0);
    return [
      svg("rect", { class: "rf-column", x: x(chosen), y: TOP, width: step, height: HEIGHT - BOTTOM - TOP }),
      svg("line", { class: "rf-axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0) }),
      svg("line", { class: "rf-limit", x1: LEFT, x2: WIDTH - RIGHT, y1: y(input), y2: y(input) }),
      svg("path", { class: "rf-steps", d: path }),
      svg("circle", { class: "rf-dot", cx: x(chosen + 0.5), cy: y(current.size), r: 4.5 }),
      ...marks.map((size) => text(size, LEFT - 6, y(size) + 5, "end")),
      svg("text", { class: "rf-limit-label", x: LEFT - 6, y: y(input) + 5, "text-anchor": "end" }, String(input)),
      text("1", x(0.5), HEIGHT - 6), text(`${layers.length}층`, WIDTH - RIGHT, HEIGHT - 6, "end"),
    ];
  };

  const fill = (place) => {
    const state = { key: networks[place.dataset.select] ? place.dataset.select : Object.keys(networks)[0], layer: 0, at: null };
    const network = () => networks[state.key];
    const layer = () => network().layers[state.layer];
    // 위치는 입력의 좌표로 기억한다. 그래야 층을 오가도 같은 곳을 본다.
    const index = (axis) => nearest(layer(), state.at ? state.at[axis] : network().input / 2);
    const scale = () => {
      const margin = overhang(layer(), network().input) * 1.02, unit = (STAGE - 4) / (network().input + 2 * margin);
      return { at: (pixel) => 2 + (pixel + margin) * unit, back: (x) => (x - 2) / unit - margin };
    };

    const choose = (number) => {
      state.layer = clamp(number, 0, network().layers.length - 1);
      render();
    };
    const enter = (key) => {
      Object.assign(state, { key, layer: networks[key].layers.length >> 1, at: null });
      layers.select.replaceChildren(...network().layers.map((one, i) =>
        element("option", { value: i }, `${i + 1}. ${one.name}: ${kind(one)}`)));
      render();
    };
    const move = (row, column) => {
      state.at = [row, column].map((number) => centre(layer(), clamp(number, 0, layer().output - 1)));
      render();
    };
    const slider = (label, change) => {
      const input = element("input", { type: "range", min: 0, step: 1, oninput: () => change(input.valueAsNumber) });
      const value = element("span", { class: "rf-value", "aria-hidden": "true" });
      return { input, value, field: element("label", { class: "explorer-field rf-slider" }, element("span", {}, `${label} `, value), input) };
    };

    const chosen = selectField("신경망", {
      options: Object.entries(networks).map(([key, { label }]) => [key, label]), value: state.key, change: enter,
    });
    const layers = selectField("층", { options: [], change: (value) => choose(Number(value)) });
    layers.field.classList.add("rf-layers");
    const button = (label, text, step) =>
      element("button", { type: "button", "aria-label": label, onclick: () => choose(state.layer + step) }, text);
    const previous = button("이전 층", "← 이전", -1), following = button("다음 층", "다음 →", 1);
    const rows = slider("출력의 행", (row) => move(row, index(1)));
    const columns = slider("출력의 열", (column) => move(index(0), column));

    const point = (event, picture, width) => {
      const box = picture.getBoundingClientRect();
      return [event.clientY - box.top, event.clientX - box.left].map((length) => length * width / box.width);
    };
    const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const stage = svg("svg", {
      class: "rf-stage", viewBox: `0 0 ${STAGE} ${STAGE}`, tabindex: 0, role: "application",
      "aria-label": "입력과 수용 영역. 화살표 키로 출력의 위치를 옮깁니다.",
      onkeydown: (event) => {
        const step = KEYS[event.key];
        if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        move(index(0) + step[0], index(1) + step[1]);
      },
      onclick: (event) => {
        state.at = point(event, stage, STAGE).map(scale().back);
        render();
      },
    });
    const chart = svg("svg", {
      class: "rf-chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
      onclick: (event) => {
        const [, x] = point(event, chart, WIDTH);
        choose(Math.floor((x - LEFT) / (WIDTH - LEFT - RIGHT) * network().layers.length));
      },
    });
    const status = element("p", { class: "rf-status", "aria-live": "polite" });
    const numbers = element("dl", { class: "rf-numbers" });
    const formula = element("div", { class: "explorer-formula rf-formula" });
    const warning = element("p", { class: "rf-warning" });

    const sub = (letter, below) => [letter, element("sub", {}, below)];
    const line = (head, general, [numeric, value]) => element("p", {}, element("span", {}, ...head),
      ...[general, [numeric], [value]].map((part) => element("span", {}, " = ", ...part)));

    const render = () => {
      const { input, layers: all } = network(), now = layer(), row = index(0), column = index(1);
      const [[top, bottom], [left, right]] = [row, column].map((i) => visible(network(), state.layer, i));
      const equations = recurrence(all, state.layer), part = share(network(), state.layer, row, column);
      layers.select.value = state.layer;
      previous.disabled = state.layer === 0;
      following.disabled = state.layer === all.length - 1;
      for (const [{ input: bar, value }, number] of [[rows, row], [columns, column]]) {
        bar.max = now.output - 1;
        bar.value = number;
        bar.disabled = now.output === 1;
        value.textContent = number;
      }
      stage.replaceChildren(...drawStage(network(), state.layer, row, column, scale().at));
      chart.replaceChildren(...drawChart(network(), state.layer));
      chart.setAttribute("aria-label",
        `${network().label}의 층마다의 수용 영역. 첫 층 ${all[0].size}화소, 마지막 층 ${all.at(-1).size}화소, 지금 층 ${now.size}화소.`);
      status.replaceChildren(element("strong", {}, `${summary(now)}.`),
        ` 출력 (${row}, ${column})에서 보는 곳은 입력의 행 ${top}–${bottom - 1}, 열 ${left}–${right - 1}입니다.`);
      numbers.replaceChildren(...[
        ["층의 종류", kind(now)], ["수용 영역 r", square(now.size)], ["누적 스트라이드 j", now.jump], ["출력 크기", square(now.output)],
        ["입력에서 보는 몫", `${part.toFixed(part < 1 ? 2 : 1)} %`],
        ["이웃과 겹치는 폭", `${Math.max(0, now.size - now.jump)}화소`],
        ["0번 출력의 중심", centre(now, 0) - 0.5],
      ].map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, String(value)))));
      formula.replaceChildren(
        line(sub("r", "l"), [...sub("r", "l−1"), " + (k − 1)·d·", ...sub("j", "l−1")], equations.r),
        line(sub("j", "l"), [...sub("j", "l−1"), "·s"], equations.j));
      warning.textContent = now.size > input
        ? `이론상의 수용 영역이 입력보다 큽니다(${now.size} > ${input}). 점선으로 그린 이미지 밖은 패딩입니다.` : "";
    };

    const legend = element("ul", { class: "rf-legend" }, [
      ["input", "입력"], ["field", "고른 출력의 수용 영역"], ["next", "바로 옆 출력의 수용 영역"], ["outside", "이미지 밖(패딩)"],
    ].map(([name, text]) => element("li", {}, element("span", { class: `rf-key rf-key-${name}`, "aria-hidden": "true" }), text)));
    enter(state.key);
    place.append(
      element("p", { class: "explorer-title" }, "수용 영역 탐험기"),
      element("div", { class: "explorer-fields" }, chosen.field, layers.field, element("div", { class: "rf-buttons" }, previous, following)),
      status,
      element("div", { class: "rf-columns" },
        element("div", { class: "rf-picture" }, stage, legend, rows.field, columns.field),
        element("div", { class: "rf-facts" }, numbers, warning, formula,
          element("p", { class: "rf-note" }, "층마다의 수용 영역 한 변입니다. 가로줄은 입력의 크기이고, 누르면 그 층으로 갑니다."),
          chart, element("p", { class: "rf-note" }, "갈래가 있으면 가장 넓게 보는 경로의 층만 셉니다."))));
  };

  Explorer.start("receptive_field", fill);
  return { networks, field, visible, centre, nearest, neighbour, share, overhang, recurrence, summary };
})();
