/**
 * What an adapter is called in messages, model cards and benchmarks. Dawn in Node tells the card as `device` ("nvidia-h100-80gb-hbm3") and its
 * driver as `description` ("D3D12 driver version 31.0.15.3623"). A browser tells neither unless its user lets it, and then numbers the device
 * (0x2684).
 */

type NamingInfo = Pick<GPUAdapterInfo, "vendor" | "architecture" | "device" | "description" | "isFallbackAdapter">;

/** The card and its driver; of a software adapter, the driver that is all of it; else the vendor and the architecture. */
export function adapterName({ vendor, architecture, device, description, isFallbackAdapter }: NamingInfo): string {
  const card = isFallbackAdapter || device.startsWith("0x") ? "" : device;
  const name = [card, description].filter(Boolean).join(", ");
  return name || device || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
}
