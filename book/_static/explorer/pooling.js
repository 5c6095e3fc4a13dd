/* 풀링 계산기: 입력을 고치고 출력의 칸을 고르면 그 칸의 계산을 한 줄씩 보인다. */
"use strict";

window.PoolingCalculator = (() => {
  const { element, equals, format } = Explorer;
  const KINDS = [["max", "최대 풀링"], ["average", "평균 풀링 (패딩을 셈)"], ["inside", "평균 풀링 (패딩을 세지 않음)"]];

  /** 창을 놓는 자리의 수. 올림이어도 입력과 앞쪽 패딩을 모두 벗어나 시작하는 창은 놓지 않는다. */
  const outputSize = (size, { kernel, stride, padding, ceil }) => {
    const steps = (size + 2 * padding - kernel) / stride;
    const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    return ceil && (count - 1) * stride >= size + padding ? count - 1 : count;
  };

  /** 출력의 칸마다 창에 든 칸들과 그 값. `kind`는 max, average, inside(패딩을 세지 않는 평균)이다.
   * 올림 때문에 패딩마저 벗어난 칸은 창에 넣지 않는다. */
  const pool = (input, { kernel, stride, padding = 0, kind = "max", ceil = false }) => {
    const [height, width] = [input.length, input[0].length];
    const span = (index, size) => {
      const start = index * stride - padding;
      return Array.from({ length: Math.min(kernel, size + padding - start) }, (_, i) => start + i);
    };
    const window = (top, left) => {
      const cells = span(top, height).flatMap((row) => span(left, width).map((column) => {
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        return { row, column, inside, value: inside ? input[row][column] : kind === "max" ? -Infinity : 0 };
      }));
      if (kind === "max") {
        const real = cells.filter((cell) => cell.inside);
        const winner = real.reduce((best, cell) => (cell.value > best.value ? cell : best));
        return { cells, winner, value: winner.value };
      }
      const counted = cells.filter((cell) => cell.inside || kind === "average");
      return { cells, counted, value: counted.reduce((total, cell) => total + cell.value, 0) / counted.length };
    };
    const [rows, columns] = [height, width].map((size) => outputSize(size, { kernel, stride, padding, ceil }));
    return Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => window(i, j)));
  };

  const place = ({ row, column }) => `${row + 1}행 ${column + 1}열`;

  const code = ({ kernel, stride, padding, kind, ceil }) => element("code", {},
    `F.${kind === "max" ? "max" : "avg"}_pool2d(x, ${kernel}, stride=${stride}, padding=${padding}` +
    `${ceil ? ", ceil_mode=True" : ""}${kind === "inside" ? ", count_include_pad=False" : ""})`);

  /** 고른 창의 계산. `noise`는 더하고 빼다 남은 찌꺼기를 가려낼 눈금이다. */
  const explain = ({ cells, counted, winner, value }, options, noise) => {
    const padded = cells.filter((cell) => !cell.inside).length;
    const lost = options.kernel ** 2 - cells.length;
    const lines = [["창", `입력 ${cells.length - padded}칸${padded ? `과 패딩 ${padded}칸` : ""}` +
      `${lost ? `. 패딩마저 벗어난 ${lost}칸은 빼고 계산합니다.` : ""}`]];
    if (winner) {
      const ties = cells.filter((cell) => cell.value === value).length;
      lines.push(["최댓값", `max(${cells.map((cell) => format(cell.value)).join(", ")}) ${equals(value)}`]);
      if (padded) lines.push(["패딩", "−∞이므로 결코 최댓값이 되지 않습니다."]);
      lines.push(["기울기", `${place(winner)}에 있는 ${format(value)}만 받습니다.` +
        `${ties > 1 ? ` 최댓값이 ${ties}칸에 있으므로 처음 나온 칸을 고릅니다.` : ""}`]);
    } else {
      const terms = Explorer.sum(counted.map((cell) => cell.value));
      lines.push(["평균", `(${terms}) / ${counted.length} ${equals(value, noise)}`]);
      if (padded) lines.push(["패딩", options.kind === "average" ? "덧댄 0도 칸으로 셉니다." : "덧댄 칸은 세지 않습니다."]);
      lines.push(["기울기", `창에 든 입력의 칸마다 1/${counted.length}씩 받습니다.`]);
    }
    return Explorer.steps([...lines, ["torch", code(options)]]);
  };

  /** 격자에서 위아래 화살표로 한 줄씩 옮겨 다닌다. */
  const arrows = (grid, columns) => (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const items = [...grid.querySelectorAll("input")];
    const next = items[items.indexOf(event.target) + step * columns()];
    if (!step) return;
    event.preventDefault();
    next?.focus();
    if (next?.type === "radio") next.click();
  };

  const fill = (root) => {
    const values = [[1, 3, 2, 1, 0, 2], [4, 2, 0, 5, 1, 3], [6, 1, 8, 7, 2, 0], [0, 2, 3, 4, 5, 1],
      [2, 0, 1, 3, 4, 6], [5, 1, 2, 0, 3, 7]];
    const options = { size: 4, kernel: 2, stride: 2, padding: 0, kind: "max", ceil: false };
    let chosen = { row: 0, column: 0 }, windows;
    const grid = element("div", { class: "pooling-grid", role: "group", "aria-label": "입력" });
    const output = element("div", { class: "pooling-grid", role: "radiogroup", "aria-label": "출력" });
    const error = element("p", { class: "explorer-error", "aria-live": "polite" });
    const result = element("p", { class: "explorer-result", "aria-live": "polite" });
    const details = element("div");
    grid.addEventListener("keydown", arrows(grid, () => options.size));
    output.addEventListener("keydown", arrows(output, () => windows[0].length));

    const choose = (row, column) => {
      chosen = { row, column };
      const window = windows[row][column];
      const same = (cell, { dataset }) => cell && cell.row === Number(dataset.row) && cell.column === Number(dataset.column);
      for (const box of grid.children) {
        box.classList.toggle("pooling-in", window.cells.some((cell) => same(cell, box)));
        box.classList.toggle("pooling-winner", Boolean(same(window.winner, box)));
      }
      result.textContent = `출력 ${place(chosen)} ${equals(window.value, noise())}`;
      details.replaceChildren(explain(window, options, noise()));
    };
    const noise = () => (options.kind === "max" ? 0 : Math.max(...values.flat().map(Math.abs)));
    const drawOutput = () => {
      windows = pool(values.slice(0, options.size).map((line) => line.slice(0, options.size)), options);
      choose(Math.min(chosen.row, windows.length - 1), Math.min(chosen.column, windows[0].length - 1));
      output.style.gridTemplateColumns = `repeat(${windows[0].length}, minmax(2.75rem, auto))`;
      output.replaceChildren(...windows.flatMap((line, row) => line.map(({ value }, column) => {
        const text = format(value, noise());
        return element("label", { class: "pooling-output" }, element("input", {
          type: "radio", name: "pooling-output", checked: row === chosen.row && column === chosen.column,
          "aria-label": `${place({ row, column })}, 값 ${text}`, onchange: () => choose(row, column),
        }), element("span", {}, text));
      })));
    };
    const read = (box, row, column) => {
      try {
        [values[row][column]] = Explorer.readNumbers(place({ row, column }), box.value);
        box.removeAttribute("aria-invalid");
        delete box.dataset.problem;
        drawOutput();
      } catch (problem) {
        if (!(problem instanceof RangeError)) throw problem;
        box.setAttribute("aria-invalid", "true");
        box.dataset.problem = `${problem.message} 아래 결과는 고치기 전의 것입니다.`;
      }
      error.textContent = grid.querySelector("[data-problem]")?.dataset.problem ?? "";
    };
    const draw = () => {
      const { size, padding } = options;
      const edge = padding ? `repeat(${padding}, 1.75rem)` : "";
      const side = Array.from({ length: size + 2 * padding }, (_, i) => i - padding);
      error.textContent = "";
      grid.style.gridTemplateColumns = `${edge} repeat(${size}, 2.75rem) ${edge}`;
      grid.replaceChildren(...side.flatMap((row) => side.map((column) => {
        const at = { "data-row": row, "data-column": column };
        if (Math.min(row, column) < 0 || Math.max(row, column) >= size) {
          return element("span", { ...at, class: "pooling-pad", "aria-hidden": "true" }, options.kind === "max" ? "−∞" : "0");
        }
        return element("input", { ...at, type: "text", autocomplete: "off", value: values[row][column],
          "aria-label": place({ row, column }), oninput: (event) => read(event.target, row, column) });
      })));
      drawOutput();
    };

    const fields = {};
    const limits = {
      size: ["입력의 크기", 2, () => 6], kernel: ["창의 크기", 1, () => options.size],
      stride: ["스트라이드", 1, () => 4], padding: ["패딩", 0, () => Math.floor(options.kernel / 2)],
    };
    /** 값을 바꾸고, 그에 따라 고를 수 있는 수를 다시 적는다. */
    const set = (key, choice) => {
      options[key] = choice;
      for (const [name, [, first, last]] of Object.entries(limits)) {
        const { select } = fields[name];
        options[name] = Math.min(options[name], last());
        select.replaceChildren(...Array.from({ length: last() - first + 1 }, (_, i) => element("option", {}, first + i)));
        select.value = options[name];
      }
      draw();
    };
    for (const [key, [name]] of Object.entries(limits)) {
      fields[key] = Explorer.selectField(name, { options: [], change: (number) => set(key, Number(number)) });
    }
    fields.kind = Explorer.selectField("종류", { options: KINDS, value: "max", change: (kind) => set("kind", kind) });
    fields.ceil = Explorer.checkField("올림 (ceil_mode)", { change: (ceil) => set("ceil", ceil) });
    const panel = (name, ...content) => element("div", { class: "pooling-panel" }, element("p", {}, name), ...content);
    root.append(
      element("p", { class: "explorer-title" }, "풀링 계산기"),
      element("div", { class: "explorer-fields" }, Object.values(fields).map(({ field }) => field)),
      element("div", { class: "pooling-panels" },
        panel("입력: 수를 고쳐 보십시오", grid, error), panel("출력: 칸을 고르십시오", output)),
      result, details,
    );
    set("size", 4);
  };

  Explorer.start("pooling", fill);
  return { pool };
})();
