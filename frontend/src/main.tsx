import "./styles.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { createBrowserRouter } from "react-router";
import { RouterProvider } from "react-router/dom";

import { routes } from "./app/routes";
import { makeStore } from "./app/store";
import { startTexts } from "./shared/i18n/i18n";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

await startTexts();
createRoot(root).render(
  <StrictMode>
    <Provider store={makeStore()}>
      <RouterProvider router={createBrowserRouter(routes)} />
    </Provider>
  </StrictMode>,
);
