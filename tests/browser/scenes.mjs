// The panel of scenarios: what the player says, and what it is asked to do.

import { isAccessible, person, shot, test } from "./kit.mjs";

await test(async () => {
  const ana = await person("ana", { width: 1500, height: 860 });
  await ana.getByRole("button", { name: "Scenarios" }).click();
  const scene = ana.locator(".scene", { hasText: "The database is full" });
  await scene.getByRole("button", { name: "Start" }).click();
  await scene.getByText("Step 1 of 3").waitFor();
  await scene.getByText("Errors rise in #general.").waitFor();
  await scene.getByText("declare an incident").waitFor();
  await isAccessible(ana, "a scenario");
  await shot(ana, "scenario");
  await scene.getByRole("button", { name: "Next step" }).click();
  await scene.getByText("Step 2 of 3").waitFor();
  // The third step comes by itself, and the page hears of it.
  await scene.getByRole("button", { name: "Play in real time" }).click();
  await scene.getByText("Step 3 of 3").waitFor();
  await scene.getByText("PLAYING").waitFor();
  await scene.getByText("bo could not click “Acknowledge”").waitFor();
  await scene.getByRole("button", { name: "Stop" }).click();
  await isAccessible(ana, "a scenario in which something failed");
  await shot(ana, "scenario-failed");
  // It has played to its end: nothing is left to click but to begin anew or to be done.
  await scene.getByRole("button", { name: "Start over" }).waitFor();
  if (await scene.getByRole("button", { name: "Next step" }).count()) throw new Error("there is no next step");
  await scene.getByRole("button", { name: "Done" }).click();
  await scene.getByRole("button", { name: "Start", exact: true }).waitFor();
});
