// The result beside the shot.
const player = makePlayer(element.querySelector(".screen"));
watch("value", () => player.update(props.value));
player.update(props.value);
