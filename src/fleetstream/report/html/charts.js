"use strict";

// Draws the charts of the page from the data that stands in it.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colours = ["#2563a8", "#d9822b", "#a82d49", "#3a8f5c"];
  const charts = [];

  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

  const clock = (seconds) => new Date(seconds * 1e3).toISOString().slice(11, 19);

  // Short runs read best in seconds, longer ones as hours, minutes and seconds.
  const longest = data.course.seconds.at(-1) || 0;
  const elapsed = (seconds) => longest < 300 ? whole.format(seconds) + " s" : Math.floor(seconds / 3600) + clock(seconds % 3600).slice(2);

  function width(place) {
    return place.clientWidth;
  }

  // Columns and series are uPlot's; options: unit of the values, across to word what runs across.
  function draw(id, title, columns, series, options) {
    const place = document.getElementById(id);
    if (!place || !columns[0].length) return;
    const unit = options.unit || "";
    const chart = new uPlot({
      title,
      width: width(place),
      height: 220,
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false, distr: options.logarithmic ? 3 : 1 }, y: { range: { min: { hard: 0, pad: 0, soft: 0, mode: 1 }, max: { pad: 0.1 } } } },
      axes: [
        { values: (self, ticks) => ticks.map((tick) => tick == null ? "" : options.across(tick)), space: 70 },
        { size: 64, values: (self, ticks) => ticks.map((tick) => short.format(tick) + unit) },
      ],
      series: [
        { label: options.along, value: (self, value) => value == null ? "–" : options.across(value) },
        ...series.map((each, place) => ({
          stroke: colours[place % colours.length],
          width: 1.5,
          points: { show: columns[0].length < 40 },
          value: (self, value) => value == null ? "–" : whole.format(value) + unit,
          ...each,
        })),
      ],
    }, columns, place);
    charts.push([chart, place]);
  }

  const course = data.course;
  const along = { along: "Elapsed", across: elapsed };
  const filled = { fill: "#2563a81f" };
  draw("values", "Values per second", [course.seconds, course.values_per_second], [{ label: "values/s", ...filled }], along);
  draw("requests", "Requests per second", [course.seconds, course.requests_per_second], [{ label: "requests/s", ...filled }], along);
  draw("bytes", "Megabytes sent per second", [course.seconds, course.bytes_per_second.map((bytes) => bytes / 1e6)], [{ label: "MB/s", ...filled }], { ...along, unit: " MB" });
  draw("latency", "Request latency", [course.seconds, course.p50, course.p90, course.p99], ["p50", "p90", "p99"].map((name) => ({ label: name, spanGaps: true })), { ...along, unit: " ms" });
  draw("distribution", "Latency distribution (logarithmic)", [data.distribution.milliseconds, data.distribution.requests],
    [{ label: "requests", paths: uPlot.paths.bars({ size: [1, 60] }), fill: "#2563a899", width: 0, points: { show: false } }],
    { along: "At most", across: (latency) => whole.format(latency) + " ms", logarithmic: true });
  const excerpt = data.excerpt;
  draw("excerpt", excerpt.measure + " of " + excerpt.hosts.length + " hosts", [excerpt.times, ...excerpt.values], excerpt.hosts.map((host) => ({ label: host })), { along: "Time (UTC)", across: clock, unit: " " + excerpt.unit });

  function fit() {
    for (const [chart, place] of charts) chart.setSize({ width: width(place), height: 220 });
  }
  addEventListener("resize", fit);
  addEventListener("beforeprint", fit);
})();
