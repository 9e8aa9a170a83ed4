// Deploys what depends on each other, and calls it: Ignition works out the order.
import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

export default buildModule("Everything", (m) => {
  const token = m.contract("Token", [m.getParameter("supply", 1_000_000n)]);
  const box = m.contract("Box");
  const second = m.contract("BoxV2");
  const proxy = m.contract("Proxy", [box, m.encodeFunctionCall(box, "set", [5n])]);
  const upgraded = m.call(proxy, "upgradeTo", [second]);
  const behind = m.contractAt("BoxV2", proxy, { id: "Behind", after: [upgraded] });
  m.call(behind, "increment");
  const factory = m.contract("Factory");
  const created = m.call(factory, "create", [`0x${"01".repeat(32)}`, 9n]);
  const predicted = m.readEventArgument(created, "Created", "box");
  m.contractAt("Box", predicted, { id: "Predicted" });
  m.contract("Collectible");
  m.contract("Items");
  m.contract("Lock");
  return { token, behind };
});
