//! The closed vocabulary of the world: one table line per entry, with its English name, synonyms and Chinese names.
//!
//! A table holds only what the renderer draws. Adding an entry is a line here and a drawing function there. The first
//! name is the one that captions use; the others only help to understand a prompt.
//!
//! What stands below `more` in a table belongs to [`Mix::Whole`] only: the first weights were trained without it, so
//! that entries above keep their order, their names and their class labels.
//!
//! Source: the vocabulary table of the world's design (version 1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much of the vocabulary is in use; each mix holds those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mix {
    /// What the first models were trained on: three places, six subjects.
    #[default]
    First,
    /// Every entry of every table.
    Whole,
}

/// What every table of the vocabulary offers.
pub trait Term: Copy + Eq + fmt::Debug + Sized + 'static {
    /// Every entry, in the order of the table; the order is that of the class labels.
    const ALL: &'static [Self];
    /// The entries of [`Mix::First`]: the beginning of [`Term::ALL`].
    const FIRST: &'static [Self];
    /// The slot's name, as it appears in messages.
    const SLOT: &'static str;
    /// The name that captions use.
    fn name(self) -> &'static str;
    /// Other English names that a prompt may use.
    fn synonyms(self) -> &'static [&'static str];
    /// Chinese names, the usual one first.
    fn chinese(self) -> &'static [&'static str];
    /// The entry's position in its table.
    fn index(self) -> usize;

    /// The entries of a mix.
    fn of(mix: Mix) -> &'static [Self] {
        match mix {
            Mix::First => Self::FIRST,
            Mix::Whole => Self::ALL,
        }
    }

    /// Whether the entry belongs to a mix.
    fn is_in(self, mix: Mix) -> bool {
        Self::of(mix).contains(&self)
    }
}

/// Writes one enum and its table: `Variant: "name" | "synonym", ... | "Chinese name", ...;`; what follows `more` is in
/// [`Mix::Whole`] only.
macro_rules! table {
    ($(#[$doc:meta])* $Type:ident, $slot:literal {
        $($Variant:ident: $name:literal | $($synonym:literal),* | $($chinese:literal),*;)+
    }) => {
        table! { @both $(#[$doc])* $Type, $slot
            { $($Variant: $name | $($synonym),* | $($chinese),*;)+ } {} }
    };
    ($(#[$doc:meta])* $Type:ident, $slot:literal {
        $($Variant:ident: $name:literal | $($synonym:literal),* | $($chinese:literal),*;)+
    } more {
        $($More:ident: $more_name:literal | $($more_synonym:literal),* | $($more_chinese:literal),*;)+
    }) => {
        table! { @both $(#[$doc])* $Type, $slot
            { $($Variant: $name | $($synonym),* | $($chinese),*;)+ }
            { $($More: $more_name | $($more_synonym),* | $($more_chinese),*;)+ } }
    };
    (@both $(#[$doc:meta])* $Type:ident, $slot:literal
        { $($Variant:ident: $name:literal | $($synonym:literal),* | $($chinese:literal),*;)+ }
        { $($More:ident: $more_name:literal | $($more_synonym:literal),* | $($more_chinese:literal),*;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $Type {
            $(
                #[doc = concat!("In captions: `", $name, "`.")]
                $Variant,
            )+
            $(
                #[doc = concat!("In captions: `", $more_name, "`.")]
                $More,
            )*
        }

        impl Term for $Type {
            const ALL: &'static [Self] = &[$(Self::$Variant,)+ $(Self::$More,)*];
            const FIRST: &'static [Self] = &[$(Self::$Variant),+];
            const SLOT: &'static str = $slot;

            fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                    $(Self::$More => $more_name,)*
                }
            }

            fn synonyms(self) -> &'static [&'static str] {
                match self {
                    $(Self::$Variant => &[$($synonym),*],)+
                    $(Self::$More => &[$($more_synonym),*],)*
                }
            }

            fn chinese(self) -> &'static [&'static str] {
                match self {
                    $(Self::$Variant => &[$($chinese),*],)+
                    $(Self::$More => &[$($more_chinese),*],)*
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

table! {
    /// Where a shot takes place.
    Place, "place" {
        NeonStreet: "neon street" | "street", "city street", "tokyo street", "tokyo", "city", "downtown", "neon city", "road", "avenue", "alley", "neon signs", "neon signage", "city signage", "signage", "neon" | "霓虹街", "霓虹街道", "街道", "街", "东京街头", "城市";
        Park: "park" | "garden", "meadow", "lawn", "grass", "trees", "tree", "playground" | "公园", "花园", "草地", "草坪";
        Tabletop: "tabletop" | "table", "desk", "wooden table", "wooden tabletop", "table top" | "桌面", "桌子", "桌上";
    } more {
        Beach: "beach" | "seaside", "shore", "seashore", "coast", "sandy beach", "ocean", "sea" | "海滩", "沙滩", "海边", "大海", "海";
        Snowfield: "snowfield" | "snow field", "snowy field", "snowy plain", "tundra", "in the snow", "in snow", "through snow", "through the snow", "across the snow", "on the snow", "snowy landscape", "ice field", "arctic" | "雪地", "雪原", "雪中";
        Desert: "desert" | "dunes", "sand dunes", "desert road", "sahara", "wasteland" | "沙漠", "戈壁", "沙丘";
        Forest: "forest" | "woods", "wood", "woodland", "jungle", "pine forest", "fir trees", "pine trees" | "森林", "树林", "丛林";
        Moon: "moon" | "lunar surface", "surface of the moon", "lunar landscape", "on the moon" | "月球", "月球表面", "月亮上", "月面";
    }
}

table! {
    /// What a member of the cast is.
    Subject, "subject" {
        Woman: "woman" | "lady", "girl", "female", "women" | "女人", "女子", "女士", "女孩", "女性";
        Man: "man" | "guy", "gentleman", "boy", "male", "men" | "男人", "男子", "男士", "男孩", "男性";
        Dog: "dog" | "puppy", "hound", "doggy", "dogs", "retriever", "terrier", "husky", "poodle" | "狗", "小狗", "犬";
        Car: "car" | "automobile", "taxi", "sedan", "cab", "vehicle", "toy car", "cars" | "汽车", "小汽车", "轿车", "车";
        Ball: "ball" | "sphere", "football", "beach ball", "balls" | "球", "皮球", "小球";
        Box: "box" | "cube", "crate", "carton", "package", "boxes" | "箱子", "盒子", "方块";
    } more {
        Child: "child" | "kid", "toddler", "little girl", "little boy", "children", "kids" | "孩子", "小孩", "儿童", "小朋友";
        Astronaut: "astronaut" | "spaceman", "cosmonaut", "astronauts" | "宇航员", "航天员", "太空人";
        Robot: "robot" | "android", "droid", "robots" | "机器人";
        Cat: "cat" | "kitten", "kitty", "tomcat", "cats" | "猫", "小猫", "猫咪";
        Horse: "horse" | "pony", "stallion", "mare", "foal", "horses" | "马", "小马", "骏马";
        Mammoth: "mammoth" | "woolly mammoth", "wooly mammoth", "mammoths", "woolly mammoths", "elephant", "elephants" | "猛犸", "猛犸象", "大象";
        Bird: "bird" | "parrot", "sparrow", "seagull", "pigeon", "lark", "robin", "birds" | "鸟", "小鸟", "鸟儿";
        Boat: "boat" | "sailboat", "ship", "sailing boat", "yacht", "sailing ship", "boats" | "船", "帆船", "小船";
        Balloon: "hot-air balloon" | "hot air balloon", "balloon", "air balloon", "balloons" | "热气球", "气球";
        Glass: "glass" | "drinking glass", "tumbler", "goblet", "wine glass", "cup" | "玻璃杯", "杯子", "水杯";
    }
}

table! {
    /// A colour of a thing, a garment or a coat of fur.
    Colour, "colour" {
        Red: "red" | "crimson", "scarlet", "ruby" | "红色", "红";
        Orange: "orange" | "amber", "tangerine" | "橙色", "橘色", "橙";
        Yellow: "yellow" | "golden", "gold", "lemon" | "黄色", "金色", "黄";
        Green: "green" | "emerald", "lime", "olive" | "绿色", "绿";
        Blue: "blue" | "navy", "azure", "cyan", "turquoise", "teal" | "蓝色", "蓝";
        Purple: "purple" | "violet", "lilac", "lavender" | "紫色", "紫";
        Pink: "pink" | "rose", "magenta" | "粉色", "粉红色", "粉红";
        Brown: "brown" | "tan", "chocolate", "beige" | "棕色", "褐色", "棕";
        Black: "black" | "ebony" | "黑色", "黑";
        White: "white" | "ivory", "cream" | "白色", "白";
        Grey: "grey" | "gray", "silver" | "灰色", "银色", "灰";
    }
}

table! {
    /// What a person wears on the upper body.
    Top, "top" {
        Jacket: "jacket" | "leather jacket", "blazer", "hoodie", "sweater", "jackets" | "夹克", "外套";
        TShirt: "t-shirt" | "shirt", "tee", "tshirt", "blouse", "t shirt" | "T恤", "衬衫";
        Coat: "coat" | "overcoat", "trench coat", "raincoat" | "大衣", "风衣";
    }
}

table! {
    /// What a person wears on the lower body; a dress also covers the upper one.
    Bottom, "bottom" {
        Trousers: "trousers" | "pants", "jeans", "slacks", "leggings" | "裤子", "长裤", "牛仔裤";
        Dress: "dress" | "gown", "long dress" | "连衣裙", "长裙", "裙子";
    }
}

table! {
    /// What a person wears on the feet.
    Footwear, "footwear" {
        Shoes: "shoes" | "sneakers", "trainers", "shoe", "heels" | "鞋子", "鞋";
        Boots: "boots" | "boot" | "靴子", "靴";
    }
}

table! {
    /// Hair colour of a person.
    Hair, "hair" {
        Black: "black" | "dark" | "黑";
        Brown: "brown" | "brunette", "chestnut" | "棕", "褐";
        Blond: "blond" | "blonde", "fair", "golden", "yellow" | "金", "黄";
        Grey: "grey" | "gray", "white", "silver" | "灰", "白";
    }
}

table! {
    /// An item that a person may wear or carry.
    Item, "item" {
        Sunglasses: "sunglasses" | "glasses", "shades" | "墨镜", "太阳镜", "眼镜";
        Hat: "hat" | "cap", "beanie" | "帽子", "帽";
        Scarf: "scarf" | "shawl" | "围巾";
        Bag: "bag" | "handbag", "purse", "backpack" | "包", "手提包", "背包";
    }
}

table! {
    /// Surface of a thing.
    Material, "material" {
        Matte: "matte" | "plain" | "哑光";
        Metal: "metal" | "metallic", "steel", "shiny", "chrome" | "金属";
    } more {
        Glass: "glass" | "transparent", "crystal", "see-through" | "玻璃", "透明";
    }
}

table! {
    /// Size of a thing; people, dogs and cars are always of medium size.
    Size, "size" {
        Small: "small" | "little", "tiny" | "小";
        Medium: "medium" | "medium-sized" | "中等";
        Large: "large" | "big", "huge", "giant" | "大", "巨大";
    }
}

table! {
    /// What a member of the cast does during a shot.
    Action, "action" {
        Stand: "stand" | "wait", "pose", "stay", "stop" | "站立", "站着", "站在", "站";
        Walk: "walk" | "stroll", "wander", "march" | "走路", "行走", "散步", "走";
        Run: "run" | "sprint", "jog", "dash", "trot" | "奔跑", "跑步", "跑";
        Jump: "jump" | "hop", "leap", "skip" | "跳跃", "跳";
        Wave: "wave" | "greet" | "挥手", "招手";
        Sit: "sit" | "rest" | "坐着", "坐下", "坐";
        Drive: "drive" | "cruise" | "行驶", "驾驶", "开";
        Bounce: "bounce" | "rebound" | "弹跳", "弹起", "弹";
        Roll: "roll" | "spin" | "滚动", "滚";
        Slide: "slide" | "glide", "slip" | "滑动", "滑";
        Fall: "fall" | "drop", "tumble", "topple" | "掉落", "落下", "倒下";
    } more {
        Dance: "dance" | "boogie", "twirl" | "跳舞", "舞蹈", "舞动";
        Turn: "turn" | "rotate", "turn around", "pirouette" | "转身", "转圈", "旋转";
        Fly: "fly" | "soar", "flap" | "飞翔", "飞行", "飞";
        Land: "land" | "touch down", "alight" | "降落", "着陆";
        Sail: "sail" | "steam" | "航行", "扬帆";
        Float: "float" | "drift", "hover" | "漂浮", "飘浮", "飘";
        Collide: "collide" | "crash", "bump" | "碰撞", "相撞", "撞";
        Shatter: "shatter" | "smash", "break" | "破碎", "摔碎", "打碎", "碎";
        Topple: "topple" | "tip over", "fall over", "topple over" | "翻倒", "倾倒";
        Swing: "swing" | "dangle", "sway" | "摆动", "摇摆", "荡";
    }
}

table! {
    /// Face of a person.
    Expression, "expression" {
        Calm: "calm" | "neutral", "serious" | "平静";
    } more {
        Happy: "happy" | "smiling", "cheerful", "joyful", "glad" | "开心", "高兴", "微笑", "快乐";
        Sad: "sad" | "unhappy", "gloomy", "crying" | "悲伤", "难过", "伤心";
        Surprised: "surprised" | "astonished", "amazed", "shocked" | "惊讶", "吃惊";
        Angry: "angry" | "furious", "mad", "annoyed" | "生气", "愤怒";
    }
}

table! {
    /// How a member of the cast stands to another.
    Relation, "relation" {
        Alone: "alone" | "by itself", "on its own", "by herself", "by himself" | "独自", "单独";
        Beside: "beside" | "next to", "near", "alongside", "by the side of" | "旁边", "身边";
    } more {
        Behind: "behind" | "in back of" | "后面", "身后";
        Follows: "follow" | "go after", "walk after" | "跟着", "跟在";
        Meets: "meet" | "encounter", "run into" | "遇见", "相遇", "遇到";
        Chases: "chase" | "run after", "pursue", "hunt" | "追逐", "追赶", "追";
        Holds: "hold" | "carry", "grip" | "抱着", "举着", "捧着";
    }
}

table! {
    /// Direction in which a member of the cast faces and moves, as the first frame shows it.
    Facing, "facing" {
        Left: "left" | "to the left", "leftward", "from right to left" | "向左", "左";
        Right: "right" | "to the right", "rightward", "from left to right" | "向右", "右";
        Toward: "toward the camera" | "towards the camera", "towards us", "to the camera" | "朝镜头", "向镜头";
        Away: "away from the camera" | "away from us" | "远离镜头", "背对镜头";
    }
}

table! {
    /// Third of the frame in which a member of the cast is in the middle of the shot.
    Lane, "lane" {
        Left: "left third" | "on the left", "on the left side" | "左侧", "左边";
        Centre: "centre" | "center", "in the middle" | "中间", "中央";
        Right: "right third" | "on the right", "on the right side" | "右侧", "右边";
    }
}

table! {
    /// Light of a shot.
    Light, "light" {
        Day: "day" | "daytime", "daylight", "noon", "morning", "afternoon", "sunny", "sunlight" | "白天", "白日", "中午", "日间";
        Night: "night" | "nighttime", "midnight", "dark", "evening", "moonlight" | "夜晚", "夜里", "晚上", "夜间", "夜";
    } more {
        Sunset: "sunset" | "dusk", "sunrise", "dawn", "golden hour", "twilight" | "日落", "黄昏", "夕阳", "傍晚";
        Overcast: "overcast" | "cloudy", "clouds", "grey sky", "gray sky", "dull light" | "阴天", "多云", "阴";
    }
}

table! {
    /// What falls from the sky or hangs in the air.
    Weather, "weather" {
        Clear: "clear" | "clear sky", "fine weather" | "晴朗", "晴天", "晴";
    } more {
        Rain: "rain" | "rainy", "raining", "rains", "rainfall", "drizzle" | "下雨", "雨天", "雨";
        Snow: "snow" | "snowing", "snowfall", "snows", "snowflakes", "blizzard" | "下雪", "雪天", "飘雪", "雪";
        Fog: "fog" | "foggy", "mist", "misty", "haze" | "雾", "有雾", "大雾";
    }
}

table! {
    /// Who passes by in the background.
    Crowd, "background" {
        People: "people" | "pedestrians", "passers-by" | "行人", "人们";
    } more {
        Animals: "animals" | "beasts", "wild animals" | "动物", "小动物";
    }
}

table! {
    /// State of the ground; wet ground mirrors what stands on it.
    Ground, "ground" {
        Dry: "dry" | "dusty" | "干燥", "干";
        Wet: "wet" | "damp", "reflective", "mirroring", "puddles", "puddle", "reflects", "mirrors", "rain-soaked", "after rain", "glossy", "flooded" | "潮湿", "湿漉漉", "湿", "积水", "反光";
    }
}

table! {
    /// Movement of the camera.
    CameraMove, "camera" {
        Static: "static" | "still", "does not move", "fixed", "stationary", "locked", "motionless" | "固定镜头", "静止镜头";
        PanLeft: "pan left" | "turn left", "move left" | "镜头左移", "左摇", "向左摇";
        PanRight: "pan right" | "turn right", "move right" | "镜头右移", "右摇", "向右摇";
        DollyIn: "dolly in" | "zoom in", "push in", "move in", "move closer" | "推近", "推镜头", "拉近";
        DollyOut: "dolly out" | "zoom out", "pull back", "pull out", "move back", "move out" | "拉远", "拉镜头";
        Follow: "follow" | "track", "chase" | "跟随", "跟拍";
    } more {
        Orbit: "orbit" | "circle", "orbiting shot" | "环绕镜头", "环绕拍摄", "环绕";
        CraneUp: "crane up" | "rise up", "move up", "crane shot" | "升镜头", "镜头上升", "摇臂上升";
        Handheld: "handheld" | "hand-held", "shaky", "hand held" | "手持镜头", "手持";
    }
}

table! {
    /// How much of the frame the main subject takes.
    Framing, "framing" {
        Wide: "wide" | "long shot", "full shot", "establishing shot", "wide-angle" | "远景", "全景";
        Medium: "medium" | "mid shot", "waist shot", "medium shot" | "中景";
    } more {
        CloseUp: "close-up" | "closeup", "close up", "portrait", "headshot", "tight" | "特写", "近景";
    }
}

table! {
    /// Height of the camera.
    Angle, "angle" {
        EyeLevel: "eye level" | "eye-level", "level" | "平视";
    } more {
        Low: "low angle" | "low-angle", "worm's eye", "from a low angle" | "仰视", "低角度";
        High: "high angle" | "high-angle", "bird's eye", "from a high angle", "aerial" | "俯视", "高角度";
    }
}

/// What a subject is in kind: it rules which fields of a cast member apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Has an outfit and an expression.
    Person,
    /// Has a colour of fur or feathers.
    Animal,
    /// Has a colour of the body.
    Vehicle,
    /// Has a colour, a material and a size.
    Thing,
}

impl Subject {
    /// The subject's kind.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Woman | Self::Man | Self::Child | Self::Astronaut | Self::Robot => Kind::Person,
            Self::Dog | Self::Cat | Self::Horse | Self::Mammoth | Self::Bird => Kind::Animal,
            Self::Car | Self::Boat | Self::Balloon => Kind::Vehicle,
            Self::Ball | Self::Box | Self::Glass => Kind::Thing,
        }
    }

    /// Whether it wears an outfit; astronauts and robots are of one colour.
    pub const fn is_clothed(self) -> bool {
        matches!(self, Self::Woman | Self::Man | Self::Child)
    }

    /// The actions that the renderer animates for this subject, as far as they belong to a mix.
    pub const fn actions(self, mix: Mix) -> &'static [Action] {
        use Action::{
            Bounce, Collide, Dance, Drive, Fall, Float, Fly, Jump, Land, Roll, Run, Sail, Shatter,
            Sit, Slide, Stand, Swing, Topple, Turn, Walk, Wave,
        };
        match (self, mix) {
            (Self::Woman | Self::Man, Mix::First) => &[Stand, Walk, Run, Jump, Wave],
            (Self::Woman | Self::Man | Self::Child | Self::Astronaut | Self::Robot, _) => {
                &[Stand, Walk, Run, Jump, Wave, Dance, Sit, Turn]
            }
            (Self::Dog, Mix::First) => &[Stand, Walk, Run, Sit],
            (Self::Dog | Self::Cat | Self::Horse | Self::Mammoth, _) => {
                &[Stand, Walk, Run, Sit, Jump]
            }
            (Self::Bird, _) => &[Fly, Land],
            (Self::Car, _) => &[Drive],
            (Self::Boat, _) => &[Sail],
            (Self::Balloon, _) => &[Float],
            (Self::Ball, Mix::First) => &[Bounce, Roll],
            (Self::Ball, Mix::Whole) => &[Bounce, Roll, Collide, Swing, Stand],
            (Self::Box, Mix::First) => &[Slide, Fall],
            (Self::Box, Mix::Whole) => &[Slide, Fall, Collide, Topple, Stand],
            (Self::Glass, _) => &[Stand, Fall, Shatter],
        }
    }

    /// The lower garments that this subject may wear; empty unless it is clothed.
    pub const fn bottoms(self) -> &'static [Bottom] {
        match self {
            Self::Woman | Self::Child => &[Bottom::Trousers, Bottom::Dress],
            Self::Man => &[Bottom::Trousers],
            _ => &[],
        }
    }

    /// The materials that this subject may be of.
    pub const fn materials(self, mix: Mix) -> &'static [Material] {
        match (self, mix) {
            (Self::Glass, _) => &[Material::Glass],
            (Self::Ball | Self::Box, Mix::First) => &[Material::Matte, Material::Metal],
            (Self::Ball | Self::Box, Mix::Whole) => {
                &[Material::Matte, Material::Metal, Material::Glass]
            }
            _ => &[Material::Matte],
        }
    }

    /// The places where this subject may be: a boat needs the sea.
    pub const fn places(self, mix: Mix) -> &'static [Place] {
        match (self, mix) {
            (Self::Boat, _) => &[Place::Beach],
            (_, Mix::First) => Place::FIRST,
            (_, Mix::Whole) => Place::ALL,
        }
    }
}

impl Place {
    /// Whether there is a sky, so that there are weather and pedestrians.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Tabletop | Self::Moon)
    }
}

impl Action {
    /// Whether the action carries its doer along the ground (or the water, or the air).
    pub const fn travels(self) -> bool {
        matches!(
            self,
            Self::Walk
                | Self::Run
                | Self::Drive
                | Self::Roll
                | Self::Slide
                | Self::Sail
                | Self::Float
                | Self::Fly
        )
    }
}

impl Facing {
    /// The other way round.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            Self::Toward => Self::Away,
            Self::Away => Self::Toward,
        }
    }
}

impl Hair {
    /// The colour that the hair is drawn in.
    pub const fn colour(self) -> Colour {
        match self {
            Self::Black => Colour::Black,
            Self::Brown => Colour::Brown,
            Self::Blond => Colour::Yellow,
            Self::Grey => Colour::Grey,
        }
    }
}
