"use strict";

// This tab may have had the page, which is now loaded anew. A token of an earlier server leads here
// again, once.
const kept = sessionStorage.getItem("token");
sessionStorage.removeItem("token");
if (kept) location.replace(`/?token=${kept}`);
