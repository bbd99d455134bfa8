import { render, screen } from "@testing-library/react";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import { Provider } from "react-redux";
import { RouterProvider, createMemoryRouter } from "react-router";

import { routes } from "@/app/routes";
import { makeStore } from "@/app/store";
import { api } from "@/shared/api/api";

/** Opens the real app at an address. Opening it again is what a reload does to a tab. */
export function openApp(address: string) {
  const store = makeStore();
  const router = createMemoryRouter(routes, { initialEntries: ["/", address] });
  const view = render(
    <Provider store={store}>
      <RouterProvider router={router} />
    </Provider>,
  );
  return {
    router,
    store,
    view,
    /** What a reload leaves behind: only the tab's storage. */
    close: () => {
      view.unmount();
      store.dispatch(api.util.resetApiState());
    },
  };
}

export async function fillForm(user: UserEvent = userEvent.setup()): Promise<UserEvent> {
  await user.click(await screen.findByRole("button", { name: "Fill in the test card" }));
  await user.click(screen.getByRole("radio", { name: "$25" }));
  await user.type(screen.getByLabelText("First name"), "John");
  await user.type(screen.getByLabelText("Last name"), "Doe");
  await user.type(screen.getByLabelText("Email"), "john@example.com");
  return user;
}

export const giveButton = () => screen.getByTestId("give");
