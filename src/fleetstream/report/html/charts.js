"use strict";

// Draws the charts of the page from the data in it.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colours = ["#2563a8", "#d9822b", "#a82d49", "#3a8f5c"];
  const charts = [];
  const HEIGHT = 220;

  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

  const clock = (seconds) => new Date(seconds * 1e3).toISOString().slice(11, 19);

  // Durations below a minute as in the rest of the report: 250 µs, 12.3 ms, 5.84 s.
  function duration(seconds) {
    const rounded = Number(seconds.toPrecision(3));
    const [scale, unit] = rounded >= 1 || !rounded ? [1, "s"] : rounded >= 1e-3 ? [1e-3, "ms"] : [1e-6, "µs"];
    return Number((rounded / scale).toPrecision(3)) + " " + unit;
  }

  // Elapsed time of short runs in seconds, of longer ones as hours, minutes and seconds.
  const longest = data.timeline.seconds.at(-1) || 0;
  const elapsed = (seconds) => longest < 300 ? whole.format(seconds) + " s" : Math.floor(seconds / 3600) + clock(seconds % 3600).slice(2);

  function width(place) {
    return place.clientWidth;
  }

  // Columns and series are those of uPlot. Options: along names the x axis, across formats its
  // values; up formats the values of the y axis and read those of the legend.
  function draw(id, title, columns, series, options) {
    const place = document.getElementById(id);
    if (!place || !columns[0].length) return;
    const up = options.up || ((value) => short.format(value));
    const read = options.read || ((value) => whole.format(value));
    const chart = new uPlot({
      title,
      width: width(place),
      height: HEIGHT,
      padding: [null, 32, null, null], // room for half of the last label of the x axis
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false, distr: options.logarithmic ? 3 : 1 }, y: { range: { min: { pad: 0, soft: 0, mode: 1 }, max: { pad: 0.1 } } } },
      axes: [
        { values: (self, ticks) => ticks.map((tick) => tick == null ? "" : options.across(tick)), space: 70 },
        { size: 64, values: (self, ticks) => ticks.map((tick) => tick == null ? "" : up(tick)), ...options.upAxis },
      ],
      series: [
        { label: options.along, value: (self, value) => value == null ? "–" : options.across(value) },
        ...series.map((each, place) => ({
          stroke: colours[place % colours.length],
          width: 1.5,
          points: { show: columns[0].length < 40 },
          value: (self, value) => value == null ? "–" : read(value),
          ...each,
        })),
      ],
    }, columns, place);
    charts.push([chart, place]);
  }

  const timeline = data.timeline;
  const elapsing = { along: "Elapsed", across: elapsed };
  const filled = { fill: "#2563a81f" };
  draw("values", "Values per second", [timeline.seconds, timeline.values_per_second], [{ label: "values/s", ...filled }], elapsing);
  draw("requests", "Requests per second", [timeline.seconds, timeline.requests_per_second], [{ label: "requests/s", ...filled }], elapsing);
  draw("bytes", "Megabytes sent per second", [timeline.seconds, timeline.bytes_per_second.map((bytes) => bytes / 1e6)],
    [{ label: "MB/s", ...filled }], { ...elapsing, up: (megabytes) => short.format(megabytes) + " MB" });
  draw("latency", "Request latency", [timeline.seconds, timeline.p50, timeline.p90, timeline.p99],
    ["p50", "p90", "p99"].map((name) => ({ label: name, spanGaps: true })), { ...elapsing, up: duration, read: duration });
  draw("distribution", "Latency distribution (logarithmic)", [data.latencies.seconds, data.latencies.requests],
    [{ label: "requests", paths: uPlot.paths.bars({ size: [1, 60] }), fill: "#2563a899", width: 0, points: { show: false } }],
    { along: "At most", across: duration, logarithmic: true });

  const excerpt = data.excerpt;
  const words = excerpt.words.length ? {
    up: (place) => excerpt.words[place] || "",
    read: (place) => excerpt.words[place],
    upAxis: { size: 180, incrs: [1] },
  } : {
    up: (value) => short.format(value) + " " + excerpt.unit,
    read: (value) => whole.format(value) + " " + excerpt.unit,
  };
  const marks = excerpt.words.length ? { paths: () => null, points: { show: true, size: 7 } } : {};
  draw("excerpt", excerpt.measure + " of " + excerpt.names.length + " " + excerpt.noun, [excerpt.times, ...excerpt.values],
    excerpt.names.map((name) => ({ label: name, ...marks })), { along: "Time (UTC)", across: clock, ...words });

  function fit() {
    for (const [chart, place] of charts) chart.setSize({ width: width(place), height: HEIGHT });
  }
  addEventListener("resize", fit);
  addEventListener("beforeprint", fit);
})();
