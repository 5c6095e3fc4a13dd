/* LRN 계산기: 한 자리의 채널 값들을 적고 채널을 고르면 그 채널을 나누는 계산을 한 줄씩 보인다. */
"use strict";

window.LocalResponseNormCalculator = (() => {
  const { element, equals, format } = Explorer;

  /** 채널마다 창의 양 끝, 제곱의 합, D = k + α·합, D^β, 출력을 구한다. n이 짝수이면 torch처럼 앞쪽을 하나 더 본다.
   * `average`가 참이면 합을 n으로 나눈다. */
  const normalize = (values, { size = 5, alpha = 1e-4, beta = 0.75, k = 2, average = false } = {}) =>
    values.map((value, channel) => {
      const first = Math.max(0, channel - Math.floor(size / 2));
      const last = Math.min(values.length - 1, channel + Math.floor((size - 1) / 2));
      const total = values.slice(first, last + 1).reduce((sum, other) => sum + other * other, 0);
      const base = k + alpha * (average ? total / size : total);
      const denominator = base ** beta;
      return { first, last, total, base, denominator, output: value / denominator };
    });

  const sub = (text) => element("sub", {}, text);
  const sup = (text) => element("sup", {}, text);
  const square = (value) => (value < 0 ? `(${format(value)})²` : `${format(value)}²`);

  /** 고른 채널의 계산. */
  const explain = (values, channel, { first, last, total, base, denominator, output }, options) => {
    const { size, alpha, beta, k, average } = options;
    const near = values.slice(first, last + 1);
    const missing = size - near.length;
    const a = [sub(channel)];
    const rate = average ? `(${format(alpha)} / ${size})` : format(alpha);
    const python = (value) => Number(value.toPrecision(12));
    const theirs = python(average ? alpha : alpha * size);
    return Explorer.steps([
      ["창의 채널", `${near.map((_, i) => first + i).join(", ")}${missing ? ` (바깥의 ${missing}개는 0으로 봅니다)` : ""}`],
      ["제곱의 합", "Σ a", sub("j"), `² = ${near.map(square).join(" + ")} ${equals(total)}`],
      ["나눌 값의 밑", `D = k + ${average ? "(α / n)" : "α"}·Σ a`, sub("j"), `² = ${format(k)} + ${rate} × ${format(total)} ${equals(base)}`],
      ["β제곱", "D", sup("β"), ` = ${format(base)}`, sup(format(beta)), ` ${equals(denominator)}`],
      ["출력", "b", ...a, " = a", sub(channel), " / D", sup("β"),
        ` = ${format(values[channel])} / ${format(denominator)} ${equals(output)}`],
      ["torch", element("code", {}, `nn.LocalResponseNorm(${size}, alpha=${theirs}, beta=${python(beta)}, k=${python(k)})`)],
    ]);
  };

  const fill = (root) => {
    const options = { size: 5, alpha: 1e-4, beta: 0.75, k: 2, average: false };
    let values = [10, 50, 30, 100, 20], chosen = 2;
    const problem = element("p", { class: "explorer-error", "aria-live": "polite" });
    const channels = element("div", { class: "lrn-channels", role: "radiogroup", "aria-label": "계산을 볼 채널" });
    const result = element("p", { class: "explorer-result", "aria-live": "polite" });
    const details = element("div");
    const legend = element("p", { class: "lrn-legend" }, "채널을 고르십시오.",
      [["lrn-bar lrn-before", "입력"], ["lrn-bar lrn-after", "출력"], ["lrn-mark", "창에 든 채널"]].map(([kind, name]) =>
        element("span", {}, element("span", { class: kind }), name)));
    const results = element("div", {}, legend, channels, result, details);

    const choose = (channel) => {
      chosen = channel;
      const steps = normalize(values, options);
      const { first, last, output } = steps[channel];
      [...channels.children].forEach((row, i) => row.classList.toggle("lrn-in", i >= first && i <= last));
      result.textContent = `채널 ${channel}: ${format(values[channel])} → ${format(output)}`;
      details.replaceChildren(explain(values, channel, steps[channel], options));
    };
    const draw = () => {
      const outputs = normalize(values, options).map(({ output }) => output);
      const broken = outputs.findIndex((output) => !Number.isFinite(output));
      results.hidden = broken >= 0;
      problem.textContent = broken < 0 ? "" : `채널 ${broken}을 나누는 수가 0입니다. “k” 칸에 0보다 큰 수를 적으십시오.`;
      if (results.hidden) return;
      const largest = Math.max(...[...values, ...outputs].map(Math.abs), Number.MIN_VALUE);
      const bar = (kind, value) => element("span", { class: `lrn-bar lrn-${kind}`, style: `width: ${(100 * Math.abs(value)) / largest}%` });
      chosen = Math.min(chosen, values.length - 1);
      channels.replaceChildren(...values.map((value, i) => element("label", {},
        element("input", { type: "radio", name: "lrn-channel", checked: i === chosen, onchange: () => choose(i) }),
        element("span", { class: "lrn-name" }, `채널 ${i}`),
        element("span", { class: "lrn-bars", "aria-hidden": "true" }, bar("before", value), bar("after", outputs[i])),
        element("span", { class: "lrn-values" }, `${format(value)} → ${format(outputs[i])}`))));
      choose(chosen);
    };
    const set = (key) => (value) => {
      options[key] = value;
      draw();
    };
    const number = (label, key, min, max) => Explorer.numbersField(label, {
      name: label.split(" ")[0], value: options[key], min, max, change: ([value]) => set(key)(value),
    }).field;
    root.append(
      element("p", { class: "explorer-title" }, "LRN 계산기"),
      element("div", { class: "explorer-fields" },
        Explorer.numbersField("한 자리의 채널 값 (빈칸이나 쉼표로 나누어 8개까지)", {
          name: "채널 값", value: values.join(", "), most: 8, change: (list) => { values = list; draw(); },
        }).field,
        Explorer.selectField("n (size)", {
          options: Array.from({ length: 9 }, (_, i) => [String(i + 1), String(i + 1)]), value: "5",
          change: (value) => set("size")(Number(value)),
        }).field,
        number("α (alpha)", "alpha", 0, 10000), number("β (beta)", "beta", 0, 10), number("k", "k", 0, 10000),
        Explorer.selectField("제곱을 모으는 방법", {
          options: [["sum", "합 (논문)"], ["average", "n으로 나눈 평균 (torch)"]], value: "sum",
          change: (value) => set("average")(value === "average"),
        }).field),
      problem, results,
    );
    draw();
  };

  Explorer.start("local_response_norm", fill);
  return { normalize };
})();
