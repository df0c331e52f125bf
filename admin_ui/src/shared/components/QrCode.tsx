// A QR code as SVG, always dark on white so that every camera reads it.
import { encode } from "uqr";

export default function QrCode({ value, label, size = 208 }: { value: string; label: string; size?: number }) {
  const { data, size: modules } = encode(value, { border: 2 });
  const path = data.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg role="img" aria-label={label} width={size} height={size} viewBox={`0 0 ${modules} ${modules}`} shapeRendering="crispEdges" style={{ background: "#fff", borderRadius: 8 }}>
      <path d={path} fill="#000" />
    </svg>
  );
}
