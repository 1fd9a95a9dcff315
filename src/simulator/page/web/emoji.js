// The emoji that people and apps name most: `:eyes:` is 👀. A name that is not here is shown as it was written.

const TABLE = `
grinning 😀|smiley 😃|smile 😄|grin 😁|laughing 😆|sweat_smile 😅|joy 😂|rolling_on_the_floor_laughing 🤣|slightly_smiling_face 🙂
upside_down_face 🙃|wink 😉|blush 😊|innocent 😇|heart_eyes 😍|star-struck 🤩|yum 😋|stuck_out_tongue 😛|thinking_face 🤔
zipper_mouth_face 🤐|neutral_face 😐|expressionless 😑|smirk 😏|unamused 😒|face_with_rolling_eyes 🙄|grimacing 😬|relieved 😌
pensive 😔|sleepy 😪|sleeping 😴|mask 😷|hot_face 🥵|cold_face 🥶|dizzy_face 😵|exploding_head 🤯|partying_face 🥳|sunglasses 😎
nerd_face 🤓|confused 😕|worried 😟|slightly_frowning_face 🙁|open_mouth 😮|astonished 😲|flushed 😳|pleading_face 🥺|fearful 😨
cold_sweat 😰|cry 😢|sob 😭|scream 😱|persevere 😣|disappointed 😞|sweat 😓|weary 😩|tired_face 😫|triumph 😤|rage 😡|angry 😠
skull 💀|poop 💩|ghost 👻|alien 👽|robot_face 🤖|see_no_evil 🙈|wave 👋|raised_hand ✋|ok_hand 👌|v ✌️|crossed_fingers 🤞
point_left 👈|point_right 👉|point_up_2 👆|point_down 👇|+1 👍|thumbsup 👍|-1 👎|thumbsdown 👎|fist ✊|facepunch 👊|clap 👏
raised_hands 🙌|pray 🙏|handshake 🤝|muscle 💪|eyes 👀|eye 👁️|brain 🧠|bust_in_silhouette 👤|busts_in_silhouette 👥
male-technologist 👨‍💻|female-technologist 👩‍💻|technologist 🧑‍💻|firefighter 🧑‍🚒|detective 🕵️|shrug 🤷|facepalm 🤦
heart ❤️|orange_heart 🧡|yellow_heart 💛|green_heart 💚|blue_heart 💙|purple_heart 💜|black_heart 🖤|broken_heart 💔|100 💯
boom 💥|dizzy 💫|sweat_drops 💦|dash 💨|zzz 💤|speech_balloon 💬|thought_balloon 💭|dog 🐶|cat 🐱|bug 🐛|snail 🐌|turtle 🐢
unicorn_face 🦄|coffee ☕|tea 🍵|beer 🍺|beers 🍻|champagne 🍾|pizza 🍕|cake 🍰|birthday 🎂|cookie 🍪|rocket 🚀|airplane ✈️
fire_engine 🚒|ambulance 🚑|police_car 🚓|construction 🚧|anchor ⚓|stopwatch ⏱️|alarm_clock ⏰|timer_clock ⏲️|hourglass ⌛|pager 📟
hourglass_flowing_sand ⏳|watch ⌚|sunny ☀️|cloud ☁️|rain_cloud 🌧️|lightning ⚡|zap ⚡|snowflake ❄️|fire 🔥|droplet 💧|ocean 🌊
rainbow 🌈|star ⭐|star2 🌟|sparkles ✨|tada 🎉|confetti_ball 🎊|balloon 🎈|trophy 🏆|medal 🏅|dart 🎯|game_die 🎲|jigsaw 🧩
loudspeaker 📢|mega 📣|bell 🔔|no_bell 🔕|phone ☎️|telephone_receiver 📞|iphone 📱|computer 💻|desktop_computer 🖥️|printer 🖨️
battery 🔋|electric_plug 🔌|floppy_disk 💾|cd 💿|movie_camera 🎥|camera 📷|mag 🔍|mag_right 🔎|bulb 💡|flashlight 🔦
book 📖|books 📚|notebook 📓|page_facing_up 📄|page_with_curl 📃|bookmark_tabs 📑|bookmark 🔖|label 🏷️|moneybag 💰
email 📧|envelope ✉️|incoming_envelope 📨|inbox_tray 📥|outbox_tray 📤|package 📦|memo 📝|pencil 📝|pencil2 ✏️|briefcase 💼
file_folder 📁|open_file_folder 📂|date 📅|calendar 📆|spiral_calendar_pad 🗓️|chart_with_upwards_trend 📈
chart_with_downwards_trend 📉|bar_chart 📊|clipboard 📋|pushpin 📌|round_pushpin 📍|paperclip 📎|scissors ✂️|wastebasket 🗑️
lock 🔒|unlock 🔓|key 🔑|hammer 🔨|hammer_and_wrench 🛠️|wrench 🔧|gear ⚙️|link 🔗|toolbox 🧰|test_tube 🧪|microscope 🔬
satellite_antenna 📡|scales ⚖️|syringe 💉|pill 💊|adhesive_bandage 🩹|stethoscope 🩺|shield 🛡️|dagger_knife 🗡️|crossed_swords ⚔️
warning ⚠️|rotating_light 🚨|no_entry ⛔|no_entry_sign 🚫|octagonal_sign 🛑|stop_sign 🛑|x ❌|o ⭕|exclamation ❗|question ❓
bangbang ‼️|heavy_check_mark ✔️|white_check_mark ✅|ballot_box_with_check ☑️|heavy_plus_sign ➕|heavy_minus_sign ➖
heavy_multiplication_x ✖️|arrow_up ⬆️|arrow_down ⬇️|arrow_left ⬅️|arrow_right ➡️|arrow_upper_right ↗️|arrow_lower_right ↘️
arrows_counterclockwise 🔄|repeat 🔁|leftwards_arrow_with_hook ↩️|arrow_forward ▶️|double_vertical_bar ⏸️|black_square_for_stop ⏹️
fast_forward ⏩|rewind ⏪|new 🆕|ok 🆗|sos 🆘|information_source ℹ️|red_circle 🔴|large_orange_circle 🟠|large_yellow_circle 🟡
large_green_circle 🟢|large_blue_circle 🔵|large_purple_circle 🟣|white_circle ⚪|black_circle ⚫|large_red_square 🟥|red_square 🟥
large_orange_square 🟧|large_yellow_square 🟨|large_green_square 🟩|large_blue_square 🟦|white_medium_square ◻️|black_medium_square ◼️
white_large_square ⬜|black_large_square ⬛|small_blue_diamond 🔹|small_orange_diamond 🔸|small_red_triangle 🔺|checkered_flag 🏁
triangular_flag_on_post 🚩|white_flag 🏳️|one 1️⃣|two 2️⃣|three 3️⃣|four 4️⃣|five 5️⃣|six 6️⃣|seven 7️⃣|eight 8️⃣|nine 9️⃣|keycap_ten 🔟
compass 🧭|world_map 🗺️|house 🏠|office 🏢|hospital 🏥|bank 🏦|factory 🏭|mantelpiece_clock 🕰️|crystal_ball 🔮|door 🚪|broom 🧹
control_knobs 🎛️|level_slider 🎚️|traffic_light 🚦|vertical_traffic_light 🚦|helicopter 🚁|parachute 🪂|ring_buoy 🛟|lifebuoy 🛟
`;

export const EMOJI = new Map(
  TABLE.trim()
    .split(/[|\n]/)
    .map((entry) => {
      const space = entry.lastIndexOf(" ");
      return [entry.slice(0, space), entry.slice(space + 1)];
    }),
);

/** Offered first when somebody wants to react. */
export const FAVOURITES = ["eyes", "white_check_mark", "+1", "pray", "tada", "fire", "rotating_light", "pushpin"];

/** The character of an emoji's name, or the name in colons. A skin tone is left out. */
export const emoji = (name) => EMOJI.get(name.split("::")[0]) ?? `:${name}:`;
