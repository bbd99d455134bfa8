// Runs before the first paint: the document must carry its language before any text is drawn.
// A file of its own because the content security policy allows no inline script.
(function () {
  var supported = ["en", "zh-CN"];
  var wished = [];
  try {
    var kept = localStorage.getItem("almoner.lang");
    if (kept) wished.push(kept);
  } catch {
    // Storage may be forbidden; the browser's languages are good enough then.
  }
  wished = wished.concat(navigator.languages || [navigator.language || "en"]);
  var found = "en";
  for (var i = 0; i < wished.length; i += 1) {
    var wish = String(wished[i]).toLowerCase();
    var match = supported.filter(function (tag) {
      return tag.toLowerCase() === wish || tag.toLowerCase().split("-")[0] === wish.split("-")[0];
    })[0];
    if (match) {
      found = match;
      break;
    }
  }
  document.documentElement.lang = found;
})();
