// Sets the colours before the first paint; a module would come too late. The switch itself is wired in app.js.
(function () {
  let theme = "system";
  try {
    theme = localStorage.getItem("anomalystream.theme") || theme;
  } catch {
    // Storage is denied: the system's colours are a good choice.
  }
  document.documentElement.dataset.theme = theme;
})();
